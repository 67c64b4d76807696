"""What the `docker` command line prints against the embedded engine is what it prints against dockerd.

The walks lie in `walks/`: lines of shell, run on both engines; ids, times and folders aside, output and exit codes are
the same. What differs on purpose is left out there.
"""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engines import RunningEngine, needs

pytestmark = pytest.mark.root

WALKS = Path(__file__).parent / "walks"
LINE_SECONDS = 60
# What no two runs have in common → what stands for it.
VARYING = (
    (r"\b[0-9a-f]{64}\b", "ID"),
    (r"\b[0-9a-f]{12}\b", "SHORT"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( \+0000 UTC|Z)?( UTC)?", "TIME"),
    (r"(\d+|About an?|Less than a) (second|minute)s?( ago)?", "AGO"),
)


def walks() -> list[tuple[str, list[str]]]:
    found = []
    for file in sorted(WALKS.glob("*.sh")):
        for number, text in enumerate(file.read_text().split("\n\n")):
            lines = [line for line in text.splitlines() if line and not line.startswith("#")]
            found.append((f"{file.stem}-{number}", lines))
    return found


def walk(engine: RunningEngine, lines: list[str], folder: Path) -> list[str]:
    """Each line with what it printed and its exit code, made comparable."""
    folder.mkdir()
    environment = {
        **os.environ,
        "DOCKER_HOST": engine.host,
        "DOCKER_API_VERSION": "1.41",
        "DOCKER_CONFIG": str(folder / "config"),
        "I": engine.image,
        "F": str(folder),
    }
    told = []
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line],
            env=environment,
            capture_output=True,
            text=True,
            timeout=LINE_SECONDS,
            stdin=subprocess.DEVNULL,
            cwd=folder,
        )
        told.append(comparable(f"$ {line}\n{done.stdout}{done.stderr}[{done.returncode}]", folder))
    return told


def comparable(text: str, folder: Path) -> str:
    text = text.replace(str(folder), "FOLDER")
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return text


@pytest.mark.parametrize(("name", "lines"), walks(), ids=[name for name, _ in walks()])
def test_the_command_line_prints_the_same(
    docker_engine: RunningEngine, rorqual_engine: RunningEngine, tmp_path: Path, name: str, lines: list[str]
) -> None:
    needs("docker")
    with ThreadPoolExecutor(2) as pool:
        theirs = pool.submit(walk, docker_engine, lines, tmp_path / "docker")
        ours = pool.submit(walk, rorqual_engine, lines, tmp_path / "rorqual")
    for their, our in zip(theirs.result(), ours.result(), strict=True):
        assert our == their
