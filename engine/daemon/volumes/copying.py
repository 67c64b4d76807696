"""A folder of an image into an empty volume: owners, modes, times, xattrs, links, devices too. Runs in a thread.

Invariant: nothing outside the volume is written. Another container may have the volume already and change it
meanwhile: everything is made in an open folder by its last name, anew, and no link is followed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from engine.api.errors import SystemFailure
from engine.kit.rooted import RootedFolder, remove_tree
from engine.kit.syscalls import openat2

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
PIECE = 1 << 24


def fill_empty(root: Path, path: str, target: Path) -> None:
    """Copy up, if there is something to copy and nothing to lose. Raises SystemFailure; then `target` is empty again.

    `root` may be a descriptor's path below /proc: nothing here may resolve it, only openat2 with it as the root.
    """
    try:
        volume = os.open(target, FOLDER)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if os.listdir(volume):
            return
        with RootedFolder(root) as image:
            try:
                source = image.open(os.fsencode(path.strip("/")), os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                return  # the image has no folder there
        try:
            Copy(volume).run(source, path)
        finally:
            os.close(source)
    finally:
        os.close(volume)


class Copy:
    """One copy into the open folder `target`, which is empty."""

    def __init__(self, target: int) -> None:
        self._target = target
        # Of files with several names: inode → the first one's path below the target.
        self._links: dict[tuple[int, int], bytes] = {}

    def run(self, source: int, name: str) -> None:
        """Everything below the folder `source`, and what the folder itself is like."""
        made: list[str] = []
        try:
            for entry in os.listdir(source):
                self._entry(entry, source, self._target, b"")
                made.append(entry)
            manner_of_open(source, self._target)
        except OSError as error:
            for entry in made:
                remove_tree(os.fsencode(entry), self._target)
            raise SystemFailure(f"failed to copy the image's {name} into the volume: {error.strerror}") from error

    def _entry(self, name: str, source: int, target: int, above: bytes) -> None:
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        path = above + b"/" + os.fsencode(name)
        inode = status.st_dev, status.st_ino
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            self._folder(name, source, target, path)
        elif status.st_nlink > 1 and inode in self._links:
            self._link(self._links[inode], name, target)
        elif kind == stat.S_IFLNK:
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            own(name, target, status)
        elif kind == stat.S_IFREG:
            copy_file(name, source, target)
            self._links[inode] = path
        elif kind != stat.S_IFSOCK and not (kind == stat.S_IFCHR and status.st_rdev == 0):
            os.mknod(name, kind | 0o600, status.st_rdev, dir_fd=target)
            make_like(name, target, status)
            self._links[inode] = path
        # else: a whiteout is the layer's own business

    def _folder(self, name: str, source: int, target: int, path: bytes) -> None:
        os.mkdir(name, 0o700, dir_fd=target)
        here = os.open(name, FOLDER, dir_fd=source)
        try:
            there = os.open(name, FOLDER, dir_fd=target)
            try:
                for entry in os.listdir(here):
                    self._entry(entry, here, there, path)
                manner_of_open(here, there)
            finally:
                os.close(there)
        finally:
            os.close(here)

    def _link(self, first: bytes, name: str, target: int) -> None:
        above, _, known = first.rpartition(b"/")
        folder = openat2(self._target, above or b".", os.O_PATH | os.O_DIRECTORY)
        try:
            os.link(known, name, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
        finally:
            os.close(folder)


def copy_file(name: str, source: int, target: int) -> None:
    here = os.open(name, FILE, dir_fd=source)
    try:
        there = os.open(name, NEW_FILE, 0o600, dir_fd=target)
        try:
            while os.sendfile(there, here, None, PIECE):
                pass
            manner_of_open(here, there)
        finally:
            os.close(there)
    finally:
        os.close(here)


def manner_of_open(source: int, target: int) -> None:
    """Owner, mode, attributes and times of an open file or folder."""
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for key in os.listxattr(source):
        if not key.startswith("trusted.overlay."):
            os.setxattr(target, key, os.getxattr(source, key))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def own(name: str, folder: int, status: os.stat_result) -> None:
    os.chown(name, status.st_uid, status.st_gid, dir_fd=folder, follow_symlinks=False)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=folder, follow_symlinks=False)


def make_like(name: str, folder: int, status: os.stat_result) -> None:
    """Of a device or a pipe, which is not opened: chmod(2) by its name would follow a link put in its place."""
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.chown(f"/proc/self/fd/{handle}", status.st_uid, status.st_gid)
        if not stat.S_ISLNK(os.fstat(handle).st_mode):
            os.chmod(f"/proc/self/fd/{handle}", stat.S_IMODE(status.st_mode))
    finally:
        os.close(handle)
    own(name, folder, status)


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
