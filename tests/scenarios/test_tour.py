"""The tour of the README and of the manual, run: what a page shows on standard output is what comes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engines import RunningEngine
from tests.house.modules import ROOT
from tests.scenarios.commands import FOREIGN

pytestmark = [pytest.mark.root, pytest.mark.slow]
BLOCK = re.compile(r"```(yaml|console)\n(.*?)```", re.DOTALL)
# what differs from run to run
MOVES = re.compile(
    r"\d+(\.\d+)?s\b|About an? \w+|\d+ (?:seconds?|minutes?)|Less than a second|\s+$|[0-9a-f]{12}", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A command line of a page and the output below it."""

    command: str
    output: str


def steps(page: Path) -> list[tuple[str, str] | Shown]:
    """In the page's order: (name, text) for a file that its first line names, and the commands with their outputs."""
    found: list[tuple[str, str] | Shown] = []
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "yaml" and text.startswith("# compose.yaml\n"):
            found.append(("compose.yaml", text.removeprefix("# compose.yaml\n")))
        elif kind == "console":
            for shown in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, output = shown.partition("\n")
                found.append(Shown(command, output))
    return found


def settled(text: str) -> str:
    return MOVES.sub("", text)


@pytest.mark.parametrize("page", ["README.md", "docs/tour.md"])
def test_the_tour_is_true(page: str, docker_engine: RunningEngine, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    # `rorqual` by the interpreter that runs the tests, wherever that is installed
    programs = tmp_path / "bin"
    programs.mkdir()
    words = shlex.join([sys.executable, "-m", "engine.cli.main"])
    (programs / "rorqual").write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {words} "$@"\n')
    (programs / "rorqual").chmod(0o755)
    folder = tmp_path / "tour"
    folder.mkdir()
    environment = {**kept, "DOCKER_HOST": docker_engine.host, "PATH": f"{programs}:{kept['PATH']}", "COLUMNS": "120"}
    # an image that an earlier run left would shorten the first plan
    for image in ("tour-page", "reef-page"):
        subprocess.run(["docker", "image", "rm", "-f", image], env=environment, capture_output=True, check=False)
    done = 0
    for step in steps(ROOT / page):
        if isinstance(step, tuple):
            (folder / step[0]).write_text(step[1])
            continue
        ran = subprocess.run(
            ["nsenter", f"--net=/proc/{docker_engine.pid}/ns/net", "sh", "-c", step.command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert settled(ran.stdout) == settled(step.output), f"$ {step.command}\n{ran.stdout}\n{ran.stderr}"
        done += 1
    assert done > 5
