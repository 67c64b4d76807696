"""A folder of an image into an empty volume: owners, modes, times, xattrs, links, devices too. Runs in a thread."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from engine.api.errors import SystemFailure
from engine.kit.rooted import RootedFolder


def fill_empty(root: Path, path: str, target: Path) -> None:
    """Copy up, if there is something to copy and nothing to lose. Raises SystemFailure.

    `root` may be a descriptor's path below /proc: nothing here may resolve it, only openat2 with it as the root.
    """
    if not target.is_dir() or os.listdir(target):
        return
    with RootedFolder(root) as image:
        try:
            source = image.open(os.fsencode(path.strip("/")), os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return  # the image has no folder there
        try:
            copy_folder(Path(f"/proc/self/fd/{source}"), target, path)
        finally:
            os.close(source)


def copy_folder(source: Path, target: Path, name: str) -> None:
    """Everything below `source`, and what the folder itself is like. Raises SystemFailure; then `target` is empty."""
    try:
        copy_entries(source, target, {})
        copy_manner(source, target, source.stat())
    except OSError as error:
        for left in target.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        raise SystemFailure(f"failed to copy the image's {name} into the volume: {error.strerror}") from error


def copy_entries(source: Path, target: Path, links: dict[tuple[int, int], Path]) -> None:
    for name in os.listdir(source):
        here, there = source / name, target / name
        status = here.lstat()
        kind = stat.S_IFMT(status.st_mode)
        inode = (status.st_dev, status.st_ino)
        if kind == stat.S_IFDIR:
            there.mkdir(0o700)
            copy_entries(here, there, links)
        elif status.st_nlink > 1 and inode in links:
            os.link(links[inode], there, follow_symlinks=False)
            continue
        elif kind == stat.S_IFLNK:
            os.symlink(os.readlink(here), there)
        elif kind == stat.S_IFREG:
            shutil.copyfile(here, there, follow_symlinks=False)
        elif kind == stat.S_IFSOCK or (kind == stat.S_IFCHR and status.st_rdev == 0):
            continue  # a whiteout is the layer's own business
        else:
            os.mknod(there, kind | 0o600, status.st_rdev)
        links[inode] = there
        copy_manner(here, there, status)


def copy_manner(source: Path, target: Path, status: os.stat_result) -> None:
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(target, stat.S_IMODE(status.st_mode))
        for key in os.listxattr(source):
            if not key.startswith("trusted.overlay."):
                os.setxattr(target, key, os.getxattr(source, key), follow_symlinks=False)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def size_of(folder: Path) -> int:
    """Bytes of the regular files below; what can't be read counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(place, name))
            except OSError:
                continue
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
