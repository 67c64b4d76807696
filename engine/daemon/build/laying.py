"""Files laid into a stage's root: what COPY and ADD do there. Never outside the root, whatever links lie in it.

Blocks; called in threads, with the root mounted.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.daemon.build.duplicate import copy, copy_attributes, remove
from engine.daemon.build.faults import StepFault
from engine.daemon.build.owners import mode_of, owner_of
from engine.daemon.build.picking import Item, Picked, Picking
from engine.daemon.snapshots.placing import Placer
from engine.daemon.snapshots.streams import Pieces, unpacked
from engine.daemon.snapshots.tarread import TarFault, TarReader
from engine.kit.rooted import RootedFolder, UnsafePath, is_folder, parts_of
from engine.kit.syscalls import openat2

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
MANY = "When using {} with more than one source file, the destination must be a directory and end with a /"


@dataclass(frozen=True, slots=True)
class Manner:
    """`destination` is absolute, with a slash at its end where a folder is meant. `keeps_owner`: as in the source."""

    destination: str
    chown: str = ""
    chmod: str = ""
    keeps_owner: bool = False
    parents: bool = False


class Laying:
    def __init__(self, root: RootedFolder, manner: Manner) -> None:
        self._root = root
        self._manner = manner
        self._owner = owner_of(manner.chown, root) if manner.chown else None
        self._links: dict[tuple[int, int], tuple[int, bytes]] = {}
        self._folders: list[tuple[str, Item]] = []

    # --- where to
    @property
    def wants_folder(self) -> bool:
        return self._manner.destination.endswith("/")

    def is_there(self, path: str) -> bool:
        """Whether the path is a folder of the root by now."""
        try:
            handle = self._root.open(os.fsencode(path.strip("/")), os.O_PATH | os.O_DIRECTORY)
        except OSError:
            return False
        os.close(handle)
        return True

    def target_of(self, name: str) -> str:
        """Where a single file goes: into the destination where that is a folder, else to it."""
        place = self._manner.destination
        return posixpath.join(place, name) if self.wants_folder or self.is_there(place) else place

    # --- what
    def picked(self, picked: Picked) -> None:
        """A file to the destination, or a folder's content into it; with --parents below its own path there."""
        below = picked.below if self._manner.parents else ""
        if not picked.is_folder:
            kept = posixpath.join(self._manner.destination, below, picked.name) if self._manner.parents else None
            self._file_at(kept or self.target_of(picked.name), Item("", picked.place, picked.status))
            return
        base = posixpath.join(self._manner.destination, below, picked.name if self._manner.parents else "")
        self.make_folder(posixpath.dirname(base.rstrip("/")), owned=False)
        self.make_folder(base)
        for item in picked.items():
            if item.path:
                self._item(posixpath.join(base, item.path), item)
            elif not stat.S_ISDIR(picked.status.st_mode):
                raise StepFault(f"{picked.name} is no folder")
        self.finish()

    def blob(self, name: str, content: bytes, mode: int, mtime_ns: int) -> None:
        """A file of this content."""
        parent, last = self._parent(self.target_of(name))
        handle = self._new_file(parent, last)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(handle, view) :]
            self._settle(handle, mode, (0, 0))
            os.utime(handle, ns=(mtime_ns, mtime_ns))
        finally:
            os.close(handle)

    def download(self, name: str, place: str, mode: int, mtime_ns: int) -> None:
        """A file that lies at `place`, under the name that it has at its source."""
        parent, last = self._parent(self.target_of(name))
        with open(place, "rb", buffering=0) as source:
            handle = self._new_file(parent, last)
            try:
                copy(source.fileno(), handle)
                self._settle(handle, mode, (0, 0))
                os.utime(handle, ns=(mtime_ns, mtime_ns))
            finally:
                os.close(handle)

    def archive(self, place: str) -> None:
        """A tar, packed or not, unpacked into the destination. Raises StepFault for one that can't be."""
        self.make_folder(self._manner.destination)
        prefix = self.real_path(self._manner.destination)
        try:
            with open(place, "rb", buffering=0) as file:
                reader = TarReader(Pieces(unpacked(Pieces(lambda: file.read(1 << 18)))))
                self._root.forget()
                placed = Placer(self._root, reader, prefix, False, self._owner).run()
            if placed.missing:
                raise TarFault(f"a hard link names {os.fsdecode(placed.missing[0][1])}, which is not there")
        except (TarFault, UnsafePath) as error:
            raise StepFault(f"ADD failed: Error processing tar file: {error}") from None
        finally:
            self._root.implied.clear()
            self._root.forget()

    def real_path(self, path: str) -> bytes:
        """The folder's path below the root, its links resolved."""
        handle = openat2(self._root.handle, path, os.O_PATH | os.O_DIRECTORY)
        try:
            base = os.readlink(f"/proc/self/fd/{self._root.handle}")
            real = os.readlink(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
        return os.fsencode((real if base == "/" else real[len(base) :]).strip("/"))

    # --- folders
    def make_folder(self, path: str, *, owned: bool = True) -> int:
        """A descriptor of the folder; what is missing on the way is made, 0755, of the owner that was asked for.

        `owned` False: root's. (Docker gives the way to a folder to root, the way to a file to the file's owner.)
        """
        parts = parts_of(os.fsencode(path))
        try:
            handle = self._root.folder(b"/".join(parts), make=True)
        except NotADirectoryError:
            raise StepFault(f"cannot copy to non-directory: {path}") from None
        for made in sorted(self._root.implied):
            uid, gid = (owned and self._owner) or (0, 0)
            parent, name = self._root.split(made.split(b"/"))
            os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
        self._root.implied.clear()
        return handle

    def _parent(self, path: str) -> tuple[int, bytes]:
        above, name = posixpath.split(path.rstrip("/"))
        return self.make_folder(above), os.fsencode(name)

    # --- items
    def _file_at(self, path: str, item: Item) -> None:
        """A single file: a link that is the destination is followed, within the root; one in it is replaced."""
        real = self._followed(path) if path == self._manner.destination else path
        parent, name = self._parent(real)
        if is_folder(name, parent):
            raise StepFault(f"cannot overwrite directory with file: {path}")
        self._put(parent, name, item)

    def _followed(self, path: str) -> str:
        for _ in range(40):
            above, name = posixpath.split(path.rstrip("/"))
            try:
                parent = self._root.folder(b"/".join(parts_of(os.fsencode(above))))
                target = os.readlink(os.fsencode(name), dir_fd=parent)
            except (OSError, ValueError):
                return path
            path = posixpath.normpath(posixpath.join(above, os.fsdecode(target)))
        raise StepFault(f"too many links at {path}")

    def _item(self, path: str, item: Item) -> None:
        if stat.S_ISDIR(item.status.st_mode):
            self._folder_item(path, item)
            return
        parent, name = self._parent(path)
        if is_folder(name, parent):
            raise StepFault(f"cannot overwrite directory with file: {path}")
        self._put(parent, name, item)

    def _folder_item(self, path: str, item: Item) -> None:
        parent, name = self._parent(path)
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not self.is_there(path):
                raise StepFault(f"cannot copy to non-directory: {path}") from None
        # owner, mode and time last: they would be changed by what is put in
        self._folders.append((path, item))

    def finish(self) -> None:
        for path, item in reversed(self._folders):
            handle = self._root.open(os.fsencode(path.strip("/")), os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._settle(handle, item.status.st_mode, (item.status.st_uid, item.status.st_gid), is_dir=True)
                copy_attributes(item.place, handle)
                os.utime(handle, ns=(item.status.st_mtime_ns, item.status.st_mtime_ns))
            finally:
                os.close(handle)
        self._folders.clear()

    def _put(self, parent: int, name: bytes, item: Item) -> None:
        mode = item.status.st_mode
        if stat.S_ISREG(mode):
            self._put_file(parent, name, item)
            return
        remove(name, parent)
        if stat.S_ISLNK(mode):
            os.symlink(os.readlink(os.fsencode(item.place)), name, dir_fd=parent)
        else:
            os.mknod(name, stat.S_IFMT(mode) | 0o600, item.status.st_rdev, dir_fd=parent)
            os.chmod(name, self._mode(mode), dir_fd=parent)
        os.chown(name, *self._ids(item.status), dir_fd=parent, follow_symlinks=False)
        times = (item.status.st_mtime_ns, item.status.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)

    def _put_file(self, parent: int, name: bytes, item: Item) -> None:
        inode = (item.status.st_dev, item.status.st_ino)
        if item.status.st_nlink > 1 and inode in self._links:
            folder, first = self._links[inode]
            remove(name, parent)
            os.link(first, name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)
            return
        with open(item.place, "rb", buffering=0) as source:
            handle = self._new_file(parent, name)
            try:
                copy(source.fileno(), handle)
                self._settle(handle, item.status.st_mode, (item.status.st_uid, item.status.st_gid))
                copy_attributes(item.place, handle)
                os.utime(handle, ns=(item.status.st_mtime_ns, item.status.st_mtime_ns))
            finally:
                os.close(handle)
        if item.status.st_nlink > 1:
            self._links[inode] = (os.open(b".", os.O_PATH | os.O_DIRECTORY, dir_fd=parent), name)

    def close(self) -> None:
        for folder, _ in self._links.values():
            os.close(folder)
        self._links.clear()

    def _new_file(self, parent: int, name: bytes) -> int:
        if is_folder(name, parent):
            raise StepFault(f"cannot overwrite directory with file: {os.fsdecode(name)}")
        try:
            return os.open(name, NEW_FILE, 0o600, dir_fd=parent)
        except FileExistsError:
            os.unlink(name, dir_fd=parent)
            return os.open(name, NEW_FILE, 0o600, dir_fd=parent)

    def _ids(self, status: os.stat_result) -> tuple[int, int]:
        if self._owner is not None:
            return self._owner
        return (status.st_uid, status.st_gid) if self._manner.keeps_owner else (0, 0)

    def _settle(self, handle: int, mode: int, ids: tuple[int, int], *, is_dir: bool = False) -> None:
        if self._owner is not None:
            ids = self._owner
        elif not self._manner.keeps_owner:
            ids = (0, 0)
        os.fchown(handle, *ids)
        os.fchmod(handle, self._mode(mode, is_dir=is_dir))

    def _mode(self, mode: int, *, is_dir: bool = False) -> int:
        return mode_of(self._manner.chmod, mode, is_folder=is_dir) if self._manner.chmod else stat.S_IMODE(mode)


def lay(root: Path, manner: Manner, sources: Picking, inline: Mapping[str, bytes], now_ns: int) -> None:
    """COPY: every picked source and here-document. Raises StepFault."""
    with RootedFolder(root) as rooted:
        laying = Laying(rooted, manner)
        try:
            many = len(sources.found) + len(inline) > 1
            if many and not manner.parents and not laying.wants_folder and not laying.is_there(manner.destination):
                raise StepFault(MANY.format("COPY"))
            for picked in sources.found:
                laying.picked(picked)
            for name, content in inline.items():
                laying.blob(name, content, 0o644, now_ns)
        except OSError as error:
            if error.errno is not None and error.strerror and not isinstance(error, FileNotFoundError):
                raise
            raise StepFault(f"COPY failed: {error}") from None
        finally:
            laying.close()
