"""The kits: files are whole, programs end, waits grow."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
import pytest

from engine.kit.backoff import Backoff
from engine.kit.clock import Clock, SystemClock
from engine.kit.files import atomic_write, spread_below
from engine.kit.process import ProcessTimeout, run_process


def test_a_write_replaces_the_whole_file_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("a longer text than the new one")
    atomic_write(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(TypeError):
        atomic_write(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    atomic_write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_waits_grow_to_the_longest_and_jitter_only_shortens() -> None:
    backoff = Backoff(first=1, factor=2, longest=5, jitter=0.5)
    assert [*itertools.islice(backoff.delays(lambda low, high: low), 5)] == [1, 2, 4, 5, 5]
    assert [*itertools.islice(backoff.delays(lambda low, high: high), 3)] == [0.5, 1, 2]


def test_the_systems_clock_is_a_clock() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.now() - time.time()) < 1
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.anyio
async def test_a_program_gets_its_input_and_gives_output_errors_and_code() -> None:
    script = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.stderr.write('bad'); sys.exit(3)"
    done = await run_process([sys.executable, "-c", script], stdin=b"hi")
    assert (done.code, done.stdout, done.stderr) == (3, b"HI", b"bad")


@pytest.mark.anyio
async def test_a_program_that_ignores_a_large_input_is_no_fault() -> None:
    done = await run_process([sys.executable, "-c", "pass"], stdin=b"x" * 1_000_000)
    assert done.code == 0


@pytest.mark.anyio
async def test_a_late_program_is_killed(tmp_path: Path) -> None:
    script = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(100)"
    with pytest.raises(ProcessTimeout, match="1 seconds"):
        await run_process([sys.executable, "-c", script], timeout_seconds=1)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.anyio
async def test_what_a_late_program_has_started_is_killed_with_it(tmp_path: Path) -> None:
    """As git starts ssh and git-lfs, which would go on for as long as they like."""
    with pytest.raises(ProcessTimeout):
        await run_process(["sh", "-c", f"sleep 100 & echo $! > {tmp_path}/pid; wait"], timeout_seconds=1)
    with anyio.fail_after(20):
        while runs(int((tmp_path / "pid").read_text())):  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.02)


def runs(process: int) -> bool:
    """Nobody may be there to reap it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


@pytest.mark.anyio
async def test_a_cancelled_call_leaves_no_program(tmp_path: Path) -> None:
    script = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(100)"
    with anyio.move_on_after(1):
        await run_process([sys.executable, "-c", script])
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.anyio
async def test_a_missing_program_is_a_file_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        await run_process(["no-such-program-here"])


@pytest.mark.root
def test_folders_below_are_spread_where_ext4_is_and_nowhere_is_that_a_fault(tmp_path: Path) -> None:
    for _ in range(2):
        spread_below(tmp_path)
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True).stdout
    if kind.startswith("ext"):
        flags = subprocess.run(["lsattr", "-d", tmp_path], capture_output=True, text=True, check=True).stdout
        assert "T" in flags.split()[0]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        spread_below(Path(elsewhere))
