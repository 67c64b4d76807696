"""A disk that is full is one line and exit code 1, wherever the output went."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.engine.cli.conftest import RORQUAL, Place

FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="/dev/full stands for the full disk")


@pytest.mark.parametrize(
    "words", [["config"], ["config", "--services"], ["graph"], ["schema"], ["version"], ["config", "-o", str(FULL)]]
)
def test_a_full_disk_behind_stdout_is_one_line_and_exit_code_1(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("name: x\nservices: {web: {image: x}}\n")
    with FULL.open("wb") as full:
        done = subprocess.run([RORQUAL, *words], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert done.stderr.decode().splitlines() == ["rorqual: could not write all of the output: No space left on device"]
    assert done.returncode == 1


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A full disk's device under a name of its own: one that a faulty command may take away."""
    place = tmp_path / "full"
    os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    return place


@pytest.mark.root
@pytest.mark.parametrize("words", [["plan", "--out"], ["export", "web", "-o"]])
def test_a_full_disk_under_a_file_is_one_line_and_exit_code_1(words: list[str], place: Place, device: Path) -> None:
    place.write("  web: {image: IMAGE, command: [sleep, '1000'], stop_grace_period: 0s}")
    place.run("up", "-d")
    done = place.result(*words, str(device))
    assert (done.returncode, done.stderr.splitlines()[-1].endswith("No space left on device")) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert device.is_char_device()


@pytest.mark.root
def test_cp_onto_a_device_is_refused_and_leaves_the_device(place: Place, device: Path) -> None:
    place.write("  web: {image: IMAGE, command: [sleep, '1000'], stop_grace_period: 0s}")
    place.run("up", "-d")
    done = place.result("cp", "web:/bin/busybox", str(device))
    assert (done.returncode, "is a device" in done.stderr) == (1, True), done.stderr
    assert device.is_char_device()


@pytest.mark.root
def test_a_full_disk_under_cp_is_one_line_and_exit_code_1(place: Place, tmp_path: Path) -> None:
    place.write("  web: {image: IMAGE, command: [sleep, '1000'], stop_grace_period: 0s}")
    place.run("up", "-d")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(small)], check=True)
    try:
        done = place.result("cp", "web:/bin/busybox", str(small / "busybox"))
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert (done.returncode, "No space left on device" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
