"""A folder as a tar: a container's writable layer as an OCI layer (whiteouts and all), or a whole root file system.

Names in order, so that equal folders make equal tars. Blocks; run it in a thread (kit.bridge.pieces_from_thread).
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from engine.daemon.snapshots.parents import is_opaque, is_whiteout
from engine.daemon.snapshots.tarread import BLOCK
from engine.daemon.snapshots.unpack import FORBIDDEN_XATTRS, XATTR_PREFIX

PIECE = 1 << 18
KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}
Links = dict[tuple[int, int], str]


def layer_tar(upper: Path) -> Iterator[bytes]:
    """The layer that the overlay's upper folder is."""
    yield from walk(upper, "", {}, layer=True)
    yield bytes(2 * BLOCK)


def tree_tar(root: Path) -> Iterator[bytes]:
    """All that is below `root`, as it is: `docker export`."""
    yield from walk(root, "", {}, layer=False)
    yield bytes(2 * BLOCK)


def walk(folder: Path, prefix: str, links: Links, *, layer: bool) -> Iterator[bytes]:
    names = sorted(os.listdir(folder))
    if layer and is_opaque(folder) and prefix:
        yield empty_file(f"{prefix}.wh..wh..opq")
    for name in names:
        path = folder / name
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # it went away while we looked: as if it had a moment before
        if layer and is_whiteout(status):
            yield empty_file(f"{prefix}.wh.{name}")
        elif stat.S_IFMT(status.st_mode) in KINDS:  # sockets have no place in a tar
            yield from member(path, f"{prefix}{name}", status, links)
            if stat.S_ISDIR(status.st_mode):
                yield from walk(path, f"{prefix}{name}/", links, layer=layer)


def member(path: Path | str, name: str, status: os.stat_result, links: Links) -> Iterator[bytes]:
    head = head_of(path, name, status)
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        first = links.setdefault((status.st_dev, status.st_ino), name)
        if first != name:
            head.type, head.linkname, head.size = tarfile.LNKTYPE, first, 0
    if head.type != tarfile.REGTYPE:
        yield encode(head)
        return
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(handle, "rb", buffering=0) as file:
        yield encode(head)
        yield from content(file, head.size)


def content(file: object, size: int) -> Iterator[bytes]:
    """Exactly `size` bytes, whatever becomes of the file meanwhile, and the padding."""
    left = size
    while left:
        piece = file.read(min(left, PIECE)) or bytes(min(left, PIECE))  # type: ignore[attr-defined]
        left -= len(piece)
        yield piece
    if size % BLOCK:
        yield bytes(-size % BLOCK)


def head_of(path: Path | str, name: str, status: os.stat_result) -> tarfile.TarInfo:
    head = tarfile.TarInfo(f"{name}/" if stat.S_ISDIR(status.st_mode) else name)
    head.type = KINDS[stat.S_IFMT(status.st_mode)]
    head.mode = stat.S_IMODE(status.st_mode)
    head.uid, head.gid = status.st_uid, status.st_gid
    head.size = status.st_size if head.type == tarfile.REGTYPE else 0
    seconds, part = divmod(status.st_mtime_ns, 1_000_000_000)
    more: dict[str, str] = {}
    head.mtime = seconds
    if part:
        more["mtime"] = f"{seconds}.{part:09d}"
    if head.type == tarfile.SYMTYPE:
        head.linkname = os.readlink(path)
    if head.type in {tarfile.CHRTYPE, tarfile.BLKTYPE}:
        head.devmajor, head.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    for key in os.listxattr(path, follow_symlinks=False):
        if not key.startswith(FORBIDDEN_XATTRS):
            value = os.getxattr(path, key, follow_symlinks=False)
            more[f"{XATTR_PREFIX}{key}"] = value.decode("utf-8", "surrogateescape")
    head.pax_headers = more
    return head


def encode(head: tarfile.TarInfo) -> bytes:
    return head.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def empty_file(name: str) -> bytes:
    head = tarfile.TarInfo(name)
    head.mode = 0
    return encode(head)
