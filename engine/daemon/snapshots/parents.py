"""What a layer's tar leaves to the layers below it: what implied folders are like, and files that it only links to.

Runs when a layer is put on a parent. Looks into the lower folders as overlayfs would: the first that has
the name says what it is; a whiteout or an opaque folder on the way ends the search.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.daemon.snapshots.recipe import Borrowed
from engine.daemon.snapshots.tarread import TarFault
from engine.daemon.snapshots.unpack import OPAQUE_XATTR, Unpacked
from engine.kit.rooted import RootedFolder

# Owner, group, mode, attributes, time.
Manner = tuple[int, int, int, Mapping[str, bytes], int]
# A folder that is only implied, where no layer below has it.
UNTOLD: Manner = (0, 0, 0o755, {}, 0)


def borrow_from_parents(folder: Path, lower: Sequence[Path], found: Unpacked) -> None:
    """Raises TarFault for a hard link to what no layer has."""
    if not lower:
        if found.missing:
            raise TarFault(no_target(*found.missing[0]))
        return
    with RootedFolder(folder) as root:
        for path in sorted(found.implied):
            source = find_below(lower, path)
            if source is not None and stat.S_ISDIR(source.lstat().st_mode):
                copy_manner(source, root, path)
        for path, target in found.missing:
            source = find_below(lower, target)
            if source is None or not stat.S_ISREG(source.lstat().st_mode):
                raise TarFault(no_target(path, target))
            copy_file(source, root, path)
            found.size += source.lstat().st_size


def lends_the_same(folder: Path, lower: Sequence[Path], wanted: Borrowed) -> bool:
    """Whether a layer that was put on other parents would be the very same on these."""
    return not wanted.missing and all(like_below(folder, lower, path) for path in wanted.implied)


def like_below(folder: Path, lower: Sequence[Path], path: bytes) -> bool:
    """Of the root a container sees owner and mode alone (snapshots.make_folders)."""
    source = find_below(lower, path)
    compared = 5 if path else 3
    if source is None or not stat.S_ISDIR(source.lstat().st_mode):
        wanted, compared = UNTOLD, min(compared, 4)
    else:
        wanted = manner_of(source)
    return manner_of(folder / os.fsdecode(path))[:compared] == wanted[:compared]


def manner_of(folder: Path) -> Manner:
    status = folder.lstat()
    xattrs = {key: os.getxattr(folder, key, follow_symlinks=False) for key in lent_xattrs(folder)}
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), xattrs, status.st_mtime_ns


def no_target(path: bytes, target: bytes) -> str:
    return (
        f'"{path.decode(errors="replace")}" is a hard link to "{target.decode(errors="replace")}", which is not there'
    )


def find_below(lower: Sequence[Path], path: bytes) -> Path | None:
    """Where the merged layers have the path; None where they haven't. Never through a link."""
    parts = [os.fsdecode(part) for part in path.split(b"/") if part]
    for layer in lower:
        place, ends = layer, False
        for part in parts:
            ends = ends or is_opaque(place)
            place = place / part
            try:
                mode = place.lstat()
            except (FileNotFoundError, NotADirectoryError):
                break
            if is_whiteout(mode):
                return None
            if place != layer.joinpath(*parts) and not stat.S_ISDIR(mode.st_mode):
                return None
        else:
            return place
        if ends:
            return None
    return None


def is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(folder: Path) -> bool:
    try:
        return os.getxattr(folder, OPAQUE_XATTR, follow_symlinks=False) == b"y"
    except OSError:
        return False


def copy_manner(source: Path, root: RootedFolder, path: bytes) -> None:
    """Owner, mode, xattrs and time of a folder."""
    status = source.lstat()
    handle = root.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fchown(handle, status.st_uid, status.st_gid)
        os.fchmod(handle, stat.S_IMODE(status.st_mode))
        copy_xattrs(source, handle)
        os.utime(handle, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(handle)


def copy_file(source: Path, root: RootedFolder, path: bytes) -> None:
    parent, name = root.split(path.split(b"/"))
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=parent)
    status = source.lstat()
    with os.fdopen(handle, "wb") as target, source.open("rb") as content:
        shutil.copyfileobj(content, target)
        target.flush()
        os.fchown(handle, status.st_uid, status.st_gid)
        os.fchmod(handle, stat.S_IMODE(status.st_mode))
        copy_xattrs(source, handle)
        os.utime(handle, ns=(status.st_atime_ns, status.st_mtime_ns))


def copy_xattrs(source: Path, handle: int) -> None:
    for key in lent_xattrs(source):
        os.setxattr(handle, key, os.getxattr(source, key, follow_symlinks=False))


def lent_xattrs(source: Path) -> list[str]:
    return [key for key in os.listxattr(source, follow_symlinks=False) if not key.startswith("trusted.overlay.")]
