"""Large layers are unpacked by processes of their own, which leave nothing behind, however they or the daemon end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.api.errors import SystemFailure
from engine.daemon.snapshots.layers import Layers
from engine.daemon.store.records import RecordStore
from tests.engine.daemon.tars import digest, in_pieces, member, tar_of

pytestmark = pytest.mark.root

LARGE = tar_of(*(member(f"d{n % 7}/f{n}", content=os.urandom(9_000)) for n in range(400)))


@pytest.fixture
def layers(tmp_path: Path) -> Iterator[Layers]:
    store = RecordStore(tmp_path / "records.db")
    yield Layers(tmp_path / "layers", store)
    store.close()


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for path in found for word in path.read_text().split()]


def unpackers(pid: int) -> list[int]:
    return [child for child in children(pid) if b"apart_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def then(tar: bytes, act: Callable[[], None]) -> Callable[[], bytes]:
    """The tar in pieces; half-way `act` is called."""
    pieces, left = in_pieces(tar, 1 << 16), [len(tar) // (2 << 16)]

    def next_piece() -> bytes:
        left[0] -= 1
        if not left[0]:
            act()
        return pieces()

    return next_piece


def test_a_large_layer_is_unpacked_by_a_process_that_ends(layers: Layers) -> None:
    seen: list[list[int]] = []
    fresh = layers.unpack(then(LARGE, lambda: seen.append(unpackers(os.getpid()))))
    assert fresh.diff_id == digest(LARGE) and fresh.found.size == 400 * 9_000
    assert len(seen[0]) == 1 and not unpackers(os.getpid())
    layer = layers.append("", fresh)
    assert b"".join(layers.tar(layer.chain_id)) == LARGE


def test_a_stream_that_breaks_off_ends_the_process_and_leaves_nothing(layers: Layers) -> None:
    def broken() -> None:
        raise ConnectionError("the line broke")

    with pytest.raises(ConnectionError, match="the line broke"):
        layers.unpack(then(LARGE, broken))
    assert not unpackers(os.getpid()) and list(layers.root.iterdir()) == []


def test_a_process_that_is_killed_is_a_fault_in_words(layers: Layers) -> None:
    def kill() -> None:
        for pid in unpackers(os.getpid()):
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(SystemFailure, match="the process that unpacked a layer ended with -9"):
        layers.unpack(then(LARGE, kill))
    assert list(layers.root.iterdir()) == []


def test_a_full_disk_is_told_as_one(layers: Layers) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(layers.root)], check=True)
    try:
        with pytest.raises(OSError, match="No space left on device"):
            layers.unpack(in_pieces(LARGE, 1 << 16))
        assert list(layers.root.iterdir()) == []
    finally:
        subprocess.run(["umount", str(layers.root)], check=True)


BEGINS_AND_WAITS = """
import sys, time
from pathlib import Path
from engine.daemon.snapshots.apart import take_in_apart
sent = iter([b"\\0" * 512])
def wait():
    piece = next(sent, None)
    if piece is None:
        print("waiting", flush=True)
        time.sleep(600)
    return piece
take_in_apart(wait, Path(sys.argv[1]))
"""


def test_a_killed_daemon_takes_the_process_along(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    command = [sys.executable, "-c", BEGINS_AND_WAITS, str(tmp_path / "1")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None and daemon.stdout.readline() == b"waiting\n"
        (worker,) = unpackers(daemon.pid)
        daemon.kill()
    deadline = time.monotonic() + 10
    while runs(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not runs(worker)


def runs(pid: int) -> bool:
    """A zombie does not: whoever inherits it may take his time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
