"""A container that changes its files while the engine walks them gets nothing of the host's, and changes nothing of it.

An attacker here swaps a folder for a link that leads out, as fast as the kernel lets it, in a process of its own.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.api.errors import SystemFailure
from engine.daemon.snapshots import tarwrite
from engine.daemon.snapshots.tarwrite import tree_tar
from engine.daemon.volumes.copying import Copy
from engine.kit.syscalls import LIBC

AT_FDCWD, RENAME_EXCHANGE = -100, 2
SECRET = b"what only the host may read"
LOOKS = 200


def swap(one: str, other: str) -> None:
    LIBC.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)


def swap_for_ever(one: str, other: str) -> None:
    while True:
        swap(one, other)


@contextmanager
def swapping(one: Path, other: Path) -> Iterator[None]:
    attacker = multiprocessing.get_context("fork").Process(target=swap_for_ever, args=(str(one), str(other)))
    attacker.start()
    try:
        yield
    finally:
        attacker.kill()
        attacker.join()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder of the host's, with a secret in it."""
    place = tmp_path / "host"
    (place / "deep").mkdir(parents=True)
    (place / "deep" / "secret").write_bytes(SECRET)
    return place


def test_a_folder_that_becomes_a_link_while_it_is_packed_leads_nowhere(tmp_path: Path, host: Path) -> None:
    root = tmp_path / "root"
    (root / "folder" / "deep").mkdir(parents=True)
    (root / "folder" / "deep" / "secret").write_bytes(b"its own")
    (root / "link").symlink_to(host)
    packed = 0
    with swapping(root / "folder", root / "link"):
        for _ in range(LOOKS):
            content = b"".join(tree_tar(root))
            assert SECRET not in content
            packed += b"its own" in content
    assert packed, "the folder was there now and then"


def test_a_file_that_becomes_a_pipe_while_it_is_packed_holds_nobody_up(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"content")
    os.mkfifo(root / "pipe")
    with swapping(root / "file", root / "pipe"):
        for _ in range(LOOKS):
            b"".join(tree_tar(root))


def test_folders_without_end_are_refused_before_every_descriptor_is_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tarwrite, "DEEPEST", 20)
    tmp_path.joinpath(*["d"] * 19).mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(b"".join(tree_tar(tmp_path)))) as packed:
        assert len(packed.getmembers()) == 19
    tmp_path.joinpath(*["d"] * 21).mkdir(parents=True)
    with pytest.raises(SystemFailure, match="below more than 20 others"):
        b"".join(tree_tar(tmp_path))


def test_a_volume_that_changes_while_it_is_filled_lets_nothing_out(tmp_path: Path, host: Path) -> None:
    image = tmp_path / "image"
    for name in ("one", "two"):
        (image / "deep" / name).mkdir(parents=True)
        (image / "deep" / name / "planted").write_bytes(b"of the image")
        (image / "deep" / name / "again").hardlink_to(image / "deep" / name / "planted")
        os.mkfifo(image / "deep" / name / "pipe", 0o666)
    before = {path: path.lstat() for path in host.rglob("*")}
    for number in range(LOOKS // 4):
        volume = tmp_path / f"volume{number}"
        volume.mkdir()
        outside = tmp_path / f"outside{number}"
        outside.symlink_to(host)
        source, target = os.open(image, os.O_RDONLY), os.open(volume, os.O_RDONLY)
        with swapping(volume / "deep", outside):
            try:
                Copy(target).run(source, "/image")
            except SystemFailure:
                pass  # it may say that it can't: it must not follow
            finally:
                os.close(source)
                os.close(target)
    after = {path: path.lstat() for path in host.rglob("*")}
    assert {path: stat.S_IMODE(found.st_mode) for path, found in after.items()} == {
        path: stat.S_IMODE(found.st_mode) for path, found in before.items()
    }
