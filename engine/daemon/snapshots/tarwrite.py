"""A folder as a tar: a container's writable layer as an OCI layer (whiteouts and all), or a whole root file system.

Invariant: no link is followed, whoever changes the folder meanwhile: a container may. Everything is looked up in an
open folder by its last name. Names in order, so that equal folders make equal tars. Blocks; run it in a thread
(kit.bridge.pieces_from_thread).
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

from engine.api.errors import SystemFailure
from engine.daemon.snapshots.parents import is_whiteout
from engine.daemon.snapshots.tarread import BLOCK
from engine.daemon.snapshots.unpack import FORBIDDEN_XATTRS, OPAQUE_XATTR, XATTR_PREFIX

PIECE = 1 << 18
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Each folder on the way down is held open.
DEEPEST = 4096
# The last one: it was a link, and is none now.
GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EINVAL}
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
    yield from below(upper, layer=True)
    yield bytes(2 * BLOCK)


def tree_tar(root: Path) -> Iterator[bytes]:
    """All that is below `root`, as it is: `docker export`."""
    yield from below(root, layer=False)
    yield bytes(2 * BLOCK)


def below(root: Path, *, layer: bool) -> Iterator[bytes]:
    handle = os.open(root, FOLDER & ~os.O_NOFOLLOW)
    try:
        yield from walk(handle, "", {}, layer=layer)
    finally:
        os.close(handle)


def walk(root: int, prefix: str, links: Links, *, layer: bool) -> Iterator[bytes]:
    """What is below an open folder, which stays open. Raises SystemFailure below DEEPEST folders."""
    stack = [(root, prefix, iter(sorted(os.listdir(root))))]
    try:
        while stack:
            folder, prefix, names = stack[-1]
            name = next(names, None)
            if name is None:
                stack.pop()
                if stack:
                    os.close(folder)
                continue
            inner = yield from member(folder, name, f"{prefix}{name}", links, layer=layer)
            if inner >= 0:
                stack.append((inner, f"{prefix}{name}/", iter(sorted(os.listdir(inner)))))
                if len(stack) > DEEPEST:
                    raise SystemFailure(f"a folder lies below more than {DEEPEST} others: it is not packed")
    finally:
        for handle, _, _ in stack[1:]:
            os.close(handle)


def member(folder: int, name: str, shown: str, links: Links, *, layer: bool = False) -> Generator[bytes, None, int]:
    """One entry of an open folder, called `shown` → a descriptor of it where it is a folder itself, else -1.

    What goes away or becomes something else while we look is left out: as if it had a moment before.
    """
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if layer and is_whiteout(status):
            place, _, hidden = shown.rpartition("/")
            yield empty_file(f"{place}/.wh.{hidden}" if place else f".wh.{hidden}")
        elif stat.S_ISDIR(status.st_mode):
            return (yield from folder_member(folder, name, shown, layer=layer))
        elif stat.S_ISREG(status.st_mode):
            yield from file_member(folder, name, shown, links)
        elif stat.S_IFMT(status.st_mode) in KINDS:  # sockets have no place in a tar
            # the last name is not followed, and the folder is open: no link can lead away
            yield encode(head_of(f"/proc/self/fd/{folder}/{name}", shown, status))
    except OSError as error:
        if error.errno not in GONE:
            raise
    return -1


def folder_member(folder: int, name: str, shown: str, *, layer: bool) -> Generator[bytes, None, int]:
    handle = os.open(name, FOLDER, dir_fd=folder)
    try:
        yield encode(make_head(shown, os.fstat(handle), "", attributes_of(handle)))
        if layer and is_opaque(handle):
            yield empty_file(f"{shown}/.wh..wh..opq")
    except BaseException:
        os.close(handle)
        raise
    return handle


def file_member(folder: int, name: str, shown: str, links: Links) -> Iterator[bytes]:
    # a pipe that takes the file's place must not hold us up
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(handle, "rb", buffering=0) as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return
        head = make_head(shown, status, "", attributes_of(handle))
        first = links.setdefault((status.st_dev, status.st_ino), shown) if status.st_nlink > 1 else shown
        if first != shown:
            head.type, head.linkname, head.size = tarfile.LNKTYPE, first, 0
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
    """Of what lies at a path that nobody changes meanwhile."""
    target = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
    return make_head(name, status, target, attributes_of(path))


def attributes_of(what: Path | str | int) -> dict[str, bytes]:
    """Extended attributes that a tar may carry, by name; of a path (a link's own) or a descriptor."""
    follow = isinstance(what, int)
    names = os.listxattr(what, follow_symlinks=follow)
    return {
        key: os.getxattr(what, key, follow_symlinks=follow) for key in names if not key.startswith(FORBIDDEN_XATTRS)
    }


def make_head(name: str, status: os.stat_result, target: str, attributes: Mapping[str, bytes]) -> tarfile.TarInfo:
    head = tarfile.TarInfo(f"{name}/" if stat.S_ISDIR(status.st_mode) else name)
    head.type = KINDS[stat.S_IFMT(status.st_mode)]
    head.mode = stat.S_IMODE(status.st_mode)
    head.uid, head.gid = status.st_uid, status.st_gid
    head.size = status.st_size if head.type == tarfile.REGTYPE else 0
    head.linkname = target
    seconds, part = divmod(status.st_mtime_ns, 1_000_000_000)
    more: dict[str, str] = {}
    head.mtime = seconds
    if part:
        more["mtime"] = f"{seconds}.{part:09d}"
    if head.type in {tarfile.CHRTYPE, tarfile.BLKTYPE}:
        head.devmajor, head.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    for key, value in attributes.items():
        more[f"{XATTR_PREFIX}{key}"] = value.decode("utf-8", "surrogateescape")
    head.pax_headers = more
    return head


def encode(head: tarfile.TarInfo) -> bytes:
    return head.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def is_opaque(folder: int) -> bool:
    try:
        return os.getxattr(folder, OPAQUE_XATTR) == b"y"
    except OSError:
        return False


def empty_file(name: str) -> bytes:
    head = tarfile.TarInfo(name)
    head.mode = 0
    return encode(head)
