"""Files that are whole or not there: written beside the target, synced, renamed over it."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def atomic_write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by `content`; after a crash the old file or the new one is there, never a part.

    The folder must exist. A symbolic link at `path` is followed: the file that it names is replaced.
    A device or a pipe (`/dev/null`, `/dev/stdout`) is written into, never replaced.
    """
    if is_special(path):
        path.write_bytes(content)
        return
    target = path.resolve()
    name = f"{target.parent}/.{target.name}.{os.urandom(6).hex()}"
    try:
        with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException as error:
        gone(Path(name))
        name_as(error, path, name)
        raise
    sync_folder(target.parent)


@contextmanager
def arriving_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which becomes `path` when the block has ended well: it is whole, or as it was before.

    A device or a pipe is written into, never replaced. Raises OSError by the name of `path`.
    """
    if is_special(path):
        with path.open("wb") as file:
            yield file
        return
    aside = path.with_name(f".{path.name[:200]}.{os.urandom(6).hex()}")
    try:
        with aside.open("xb") as file:
            yield file
        aside.replace(path)
    except BaseException as error:
        gone(aside)
        name_as(error, path, str(aside))
        raise


def gone(path: Path) -> None:
    """Remove what may have been made; where its folder is none, there is nothing."""
    with suppress(OSError):
        path.unlink()


def name_as(error: BaseException, path: Path, aside: str) -> None:
    """Let an error about the file aside, or about no file (a full disk names none), speak of the one that was asked
    for: nobody knows another name.
    """
    if isinstance(error, OSError) and error.filename in {None, aside}:
        error.filename = str(path)


@contextmanager
def arriving(root: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `root` when the block has ended well: it appears whole or not at all.

    Where another process was first, its folder stays: only for what is the same whoever makes it.
    """
    # late: most commands write files and make no folders
    import shutil
    import tempfile

    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{root.name[:12]}-", dir=root.parent))
    try:
        yield aside
        try:
            aside.rename(root)
        except OSError:
            if not root.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def is_special(path: Path) -> bool:
    """Whether something is there that is no file of its own: a rename over it would take it from everyone else."""
    return path.exists() and not path.is_file()


def is_there(path: Path) -> bool:
    """Whether anything is there. Unlike Path.exists it raises OSError where something on the way is no folder, or a
    circle of links: the way is wrong then, and not the end of it missing.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable: a rename lives in the folder, not in the file."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# linux/fs.h, for most architectures; elsewhere the kernel knows no such call, and nothing is lost
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_TOPDIR_FL = 0x80086601, 0x40086602, 0x00020000


def spread_below(folder: Path) -> None:
    """Tell ext4 that the folders in `folder` have nothing to do with each other (chattr +T): each gets its files' room
    in another part of the disk, where two can be filled at once. Other file systems don't know it, which is no fault.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = bytearray(8)
        fcntl.ioctl(handle, FS_IOC_GETFLAGS, flags)
        (before,) = struct.unpack_from("=I", flags)
        if not before & FS_TOPDIR_FL:
            struct.pack_into("=I", flags, 0, before | FS_TOPDIR_FL)
            fcntl.ioctl(handle, FS_IOC_SETFLAGS, bytes(flags))
    except OSError:
        pass
    finally:
        os.close(handle)
