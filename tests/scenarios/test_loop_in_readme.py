"""The README's lines on the loop, typed into one shell one after the other: what is shown below each comes to pass."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import RunningEngine, running_rorqual, short_folder
from tests.scenarios.commands import FOREIGN, ROOT

pytestmark = [pytest.mark.root, pytest.mark.slow]
PATIENCE_SECONDS = 120.0
# what is another one each time
MOVES = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z|\b[0-9a-f]{12}\b|…")


def shown() -> list[tuple[str, list[str]]]:
    """Each command with the lines below it."""
    (block,) = re.findall(r"```shell-session\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    parts = [part.rstrip().split("\n") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(lines[0], lines[1:]) for lines in parts]


def pattern(line: str) -> re.Pattern[str]:
    """The line as it may come; runs of blanks are the table's."""
    fixed = [re.sub(r"(\\ )+", " +", re.escape(part)) for part in MOVES.split(line)]
    return re.compile("^" + ".*".join(fixed) + ".*$", re.MULTILINE)


@pytest.fixture
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="rq-", dir="/tmp"))
    yield found
    shutil.rmtree(found, ignore_errors=True)


@pytest.fixture
def engine() -> Iterator[RunningEngine]:
    """One of its own: an image that another test left would shorten the first plan."""
    with short_folder() as top, running_rorqual(top) as found:
        yield found


def test_the_lines_of_the_readme_do_what_it_shows(engine: RunningEngine, folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir()
    words = shlex.join([sys.executable, "-m", "engine.cli.main"])
    (programs / "rorqual").write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {words} "$@"\n')
    (programs / "rorqual").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    state = {"RORQUAL_STATE": str(folder / "state"), "DOCKER_HOST": engine.host}
    environment = {**kept, **state, "PATH": f"{programs}:{kept['PATH']}"}
    log = folder / "log"
    with log.open("wb") as out:
        shell = subprocess.Popen(
            ["bash"], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=out, text=True
        )
    assert shell.stdin is not None
    try:
        for command, lines in shown():
            begin = log.stat().st_size
            shell.stdin.write(command.replace("/tmp/gitops", str(folder / "gitops")) + "\n")
            shell.stdin.flush()
            for line in lines:
                await_line(log, begin, pattern(line), command)
    finally:
        shell.stdin.write("kill %1; wait\n")
        shell.stdin.close()
        shell.wait(60)
        down = [str(programs / "rorqual"), "-p", "hello", "down", "-v", "-t", "0"]
        subprocess.run(down, env=environment, check=True, capture_output=True)
    assert log.read_text().endswith("agent: stopped\n")


def await_line(log: Path, begin: int, wanted: re.Pattern[str], command: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not wanted.search(log.read_bytes()[begin:].decode()):
        assert time.monotonic() < deadline, f"$ {command}\nnever came: {wanted.pattern}\n{log.read_text()}"
        time.sleep(0.05)
