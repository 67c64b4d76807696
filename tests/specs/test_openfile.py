"""Whatever a file name stands for: it is read, or refused with a word, and nobody waits for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from specs.openfile import read_bytes, read_text
from tests.house.modules import ROOT

GOOD = "services: {a: {image: x}}\n"
PATIENCE = 20


def validated(folder: Path, line: str, text: str = GOOD) -> subprocess.CompletedProcess[str]:
    """What `rorqual` makes of a shell's command line, in which RORQUAL stands for it; `text` is on stdin."""
    line = line.replace("RORQUAL", f"{sys.executable} -m engine.cli.main")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, input=text, capture_output=True, text=True, timeout=PATIENCE
    )


@pytest.mark.parametrize(
    "line",
    [
        "RORQUAL config --services -f /dev/stdin",
        "RORQUAL config --services -f -",
        "RORQUAL config --services -f <(cat)",
        "RORQUAL config --services -f <(sleep 0.3; cat)",
        "cat | RORQUAL config --services -f /dev/fd/0",
        "mkfifo p; cat > p & sleep 0.1; RORQUAL config --services -f p",
    ],
)
def test_a_pipe_that_somebody_writes_to_is_a_file(line: str, tmp_path: Path) -> None:
    done = validated(tmp_path, f"exec 3<&0; cat() {{ command cat <&3; }}; {line}" if "cat > p" in line else line)
    assert (done.returncode, done.stdout) == (0, "a\n"), done.stderr


def test_a_pipe_does_for_an_env_file_too(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: '$IMAGE'}}\n")
    done = validated(tmp_path, "RORQUAL config --images --env-file <(echo IMAGE=y)")
    assert (done.returncode, done.stdout) == (0, "y\n"), done.stderr


def test_a_pipe_larger_than_its_buffer_is_read_whole(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    content = b"x" * (1 << 20)
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    found: list[bytes] = []
    # both ends are opened at once: the reader holds one before the writer comes
    holder = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer.start()
    while not found or not found[0]:
        try:
            found[:] = [read_bytes(str(tmp_path / "pipe"))]
        except OSError:
            continue
    writer.join()
    os.close(holder)
    assert found == [content]


def test_a_named_pipe_that_nobody_writes_to_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    done = validated(tmp_path, "RORQUAL validate -f p")
    assert done.returncode == 2
    assert done.stdout == "p:1:1: error[file-missing]: can't read p: it is a named pipe that nobody writes to\n"


@pytest.mark.parametrize("key", ["env_file", "label_file"])
def test_a_named_pipe_within_a_project_blocks_nobody(key: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    (tmp_path / "compose.yaml").write_text(f"services: {{a: {{image: x, {key}: p}}}}\n")
    done = validated(tmp_path, "RORQUAL validate")
    assert done.returncode == 1
    assert "a named pipe that nobody writes to" in done.stdout


@pytest.mark.parametrize(("path", "word"), [("/dev/zero", "device"), ("/dev", "directory"), ("/dev/null", "empty")])
def test_what_is_no_file_is_refused_with_a_word(path: str, word: str, tmp_path: Path) -> None:
    done = validated(tmp_path, f"RORQUAL validate -f {path}")
    assert done.returncode in {1, 2}
    assert word in done.stdout


def test_text_keeps_its_line_ends(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\r\nb\xff")
    assert read_text(str(tmp_path / "f")) == "a\r\nb\ufffd"
