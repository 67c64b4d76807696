"""One layer's tar, unpacked into a folder that overlayfs takes as a lower layer. Never writes outside the folder.

`.wh.<name>` becomes a 0:0 device, `.wh..wh..opq` the xattr that makes a folder opaque. Runs in a thread; called by
snapshots.layers. Source: OCI image-spec v1.1, layer.md; Linux, Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from engine.daemon.snapshots.tarread import Entry, Source, TarFault, TarReader
from engine.kit.rooted import KEPT, RootedFolder, UnsafePath, is_folder, parts_of, remove_tree

WHITEOUT = b".wh."
META = b".wh..wh."
OPAQUE = b".wh..wh..opq"
OPAQUE_XATTR = b"trusted.overlay.opaque"
# What would tell overlayfs itself, and not the container, where to look.
FORBIDDEN_XATTRS = ("trusted.", "user.overlay.", "system.nfs4_acl")
PIECE = 1 << 18
XATTR_PREFIX = "SCHILY.xattr."
NO_NAMES = frozenset({b"", b".", b".."})
ZEROS = bytes(PIECE)
HOLE = 1 << 14
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Recipe(Protocol):
    """What is written down to make the same tar again (snapshots.recipe)."""

    def seen(self, piece: bytes) -> None: ...

    def file(self, path: bytes, size: int) -> int:
        """Write down that a file's content comes here → its number."""

    def keep(self, number: int, name: bytes, parent: int) -> None:
        """The file of that number is being replaced: put its content aside, the tar needs it."""


@dataclass(slots=True)
class Unpacked:
    """`size` counts the files' bytes. `implied` folders and `missing` link targets are the parent layers' to say."""

    size: int = 0
    implied: set[bytes] = field(default_factory=set)
    missing: list[tuple[bytes, bytes]] = field(default_factory=list)


class Unpacker:
    def __init__(self, root: RootedFolder, reader: TarReader, recipe: Recipe) -> None:
        self._root = root
        self._reader = reader
        self._recipe = recipe
        self._folders: dict[bytes, Entry] = {}
        self._made: dict[bytes, int] = {}
        self._hidden: set[bytes] = set()
        self._umask = umask_of_process()
        # The last entry's folder, as the tar writes it and as it is.
        self._written = self._above = b""
        self.result = Unpacked()

    def run(self) -> Unpacked:
        for entry in self._reader:
            try:
                self._place(entry)
            except UnsafePath as error:
                raise TarFault(str(error)) from error
            except OSError as error:
                if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}:
                    raise
                name = entry.name.decode(errors="replace")
                raise TarFault(f'"{name}" can\'t be unpacked: {error.strerror}') from error
        for path, entry in sorted(self._folders.items(), reverse=True):
            self._finish_folder(path, entry)
        self.result.implied = (self._root.implied | {b""}) - self._folders.keys()
        return self.result

    def _place(self, entry: Entry) -> None:
        above, name = self._split(entry.name)
        if not name:
            if entry.kind == 0x35:
                self._folders[b""] = entry
            return
        parent = self._root.folder(above, make=True)
        if name.startswith(WHITEOUT):
            self._whiteout(above, parent, name)
            return
        path = above + b"/" + name if above else name
        maker = self._makers.get(entry.kind, Unpacker._file)
        try:
            maker(self, entry, path, parent, name)
        except FileExistsError:
            self._clear(path, parent, name)
            maker(self, entry, path, parent, name)

    def _split(self, name: bytes) -> tuple[bytes, bytes]:
        """(the folder's path, the name in it) as parts_of has them; no name for the root itself. Raises UnsafePath.

        Entries of one folder stand together: what its path came to is remembered.
        """
        written, _, last = name.rpartition(b"/")
        if written == self._written and last not in NO_NAMES and b"\0" not in last:
            return self._above, last
        parts = parts_of(name)
        if not parts:
            return b"", b""
        above = b"/".join(parts[:-1])
        if last == parts[-1]:
            self._written, self._above = written, above
        return above, parts[-1]

    def _clear(self, path: bytes, parent: int, name: bytes) -> None:
        """The tar names the path again: the last one counts."""
        if is_folder(name, parent):
            below = path + b"/"
            for file in [known for known in self._made if known.startswith(below)]:
                self._keep(file)
            self._folders = {known: e for known, e in self._folders.items() if not (known + b"/").startswith(below)}
            self._root.implied -= {known for known in self._root.implied if (known + b"/").startswith(below)}
        self._keep(path)
        self._root.forget()
        parent, name = self._root.split(path.split(b"/"))
        remove_tree(name, parent)

    def _keep(self, path: bytes) -> None:
        number = self._made.pop(path, None)
        if number is not None:
            parent, name = self._root.split(path.split(b"/"))
            self._recipe.keep(number, name, parent)

    def _whiteout(self, above: bytes, parent: int, name: bytes) -> None:
        if name == OPAQUE:
            make_opaque(b".", parent)
            return
        if name.startswith(META):
            return  # AUFS's own book-keeping: old images have it
        hidden = name[len(WHITEOUT) :]
        if hidden in {b"", b".", b".."}:
            raise UnsafePath("a whiteout names nothing")
        self._hidden.add(above + b"/" + hidden if above else hidden)
        try:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=parent)
        except FileExistsError:
            # the layer has one of its own; a file hides what is below it anyway
            if is_folder(hidden, parent):
                make_opaque(hidden, parent)

    # --- one maker for each kind; each raises FileExistsError when something is there already
    def _file(self, entry: Entry, path: bytes, parent: int, name: bytes) -> None:
        if entry.name.endswith(b"/") and not entry.size:
            # old tars write a folder as a file with a slash
            self._folder(entry, path, parent, name)
            return
        # a usual mode is had at once, and root's files are root's already: two calls less of six
        plain = not entry.mode & (self._umask | ~0o777)
        handle = os.open(name, NEW_FILE, entry.mode if plain else 0o600, dir_fd=parent)
        try:
            if entry.pieces is not None:
                self._sparse_content(entry, handle)
            elif entry.size:
                self._made[path] = self._recipe.file(path, entry.size)
                self._content(handle)
            if entry.uid or entry.gid:
                os.fchown(handle, entry.uid, entry.gid)
            if not plain:
                os.fchmod(handle, entry.mode)
            for key, value in entry.xattrs.items():
                set_xattr(handle, key, value)
            os.utime(handle, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(handle)
        self.result.size += entry.length

    def _content(self, handle: int) -> None:
        """The content as it comes; long runs of zeros become holes."""
        read, ends_in_hole = self._reader.content, False
        while piece := read(PIECE):
            ends_in_hole = len(piece) >= HOLE and piece == ZEROS[: len(piece)]
            if ends_in_hole:
                os.lseek(handle, len(piece), os.SEEK_CUR)
            else:
                write_all(handle, piece)
        if ends_in_hole:
            os.ftruncate(handle, os.lseek(handle, 0, os.SEEK_CUR))

    def _sparse_content(self, entry: Entry, handle: int) -> None:
        """The pieces to their places. The recipe keeps them as they are: holes are told in several ways."""
        for offset, size in entry.pieces or ():
            os.lseek(handle, offset, os.SEEK_SET)
            while size > 0:
                piece = self._reader.content(min(size, PIECE))
                if not piece:
                    raise TarFault("a sparse file is shorter than its map")
                self._recipe.seen(piece)
                write_all(handle, piece)
                size -= len(piece)
        os.ftruncate(handle, entry.length)

    def _folder(self, entry: Entry, path: bytes, parent: int, name: bytes) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not is_folder(name, parent):
                raise
        if path in self._hidden:
            make_opaque(name, parent)
        self._folders[path] = entry

    def _finish_folder(self, path: bytes, entry: Entry) -> None:
        """Owner, mode and time last: they would be changed by what is put in."""
        parts = path.split(b"/") if path else []
        if parts:
            parent, name = self._root.split(parts)
            handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        else:
            handle = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root.handle)
        try:
            set_manners(handle, entry)
        finally:
            os.close(handle)

    def _symbolic(self, entry: Entry, path: bytes, parent: int, name: bytes) -> None:
        os.symlink(entry.target, name, dir_fd=parent)
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _hard(self, entry: Entry, path: bytes, parent: int, name: bytes) -> None:
        parts = parts_of(entry.target)
        if not parts:
            raise UnsafePath("a hard link names nothing")
        try:
            folder, target = self._root.split(parts)
            os.link(target, name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            # the file is a lower layer's: it can be had when the layer has found its parent
            self.result.missing.append((path, b"/".join(parts)))

    def _special(self, entry: Entry, path: bytes, parent: int, name: bytes) -> None:
        kind = {0x33: stat.S_IFCHR, 0x34: stat.S_IFBLK}.get(entry.kind, stat.S_IFIFO)
        if kind == stat.S_IFCHR and entry.device == (0, 0):
            raise UnsafePath(f'the device 0:0 at "{path.decode(errors="replace")}" would be a whiteout')
        os.mknod(name, kind | 0o600, os.makedev(*entry.device), dir_fd=parent)
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        set_mode(name, parent, entry.mode)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)

    _makers: dict[int, Callable[[Unpacker, Entry, bytes, int, bytes], None]] = {  # noqa: RUF012  # never changed
        0x31: _hard,
        0x32: _symbolic,
        0x33: _special,
        0x34: _special,
        0x35: _folder,
        0x36: _special,
    }


def umask_of_process() -> int:
    """Asked of /proc: umask(2) could only change it, for all threads."""
    with open("/proc/self/status", "rb") as file:
        found = next((line for line in file if line.startswith(b"Umask:")), b"Umask: 0777")
    return int(found.split()[1], 8)


def set_mode(name: bytes, parent: int, mode: int) -> None:
    """Of what is not opened. chmod(2) by its name would follow a link that a container has put in its place."""
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if not stat.S_ISLNK(os.fstat(handle).st_mode):
            os.chmod(f"/proc/self/fd/{handle}", mode)
    finally:
        os.close(handle)


def make_opaque(name: bytes, parent: int) -> None:
    """A new folder, not a view of the lower layers' one."""
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.setxattr(handle, OPAQUE_XATTR, b"y")
    finally:
        os.close(handle)


def write_all(handle: int, piece: bytes) -> None:
    written = os.write(handle, piece)
    while written < len(piece):
        written += os.write(handle, piece[written:])


def set_manners(handle: int, entry: Entry) -> None:
    """Owner, mode, attributes and time of a folder."""
    os.fchown(handle, entry.uid, entry.gid)
    os.fchmod(handle, entry.mode)
    for key, value in entry.xattrs.items():
        set_xattr(handle, key, value)
    os.utime(handle, ns=(entry.mtime_ns, entry.mtime_ns))


def set_xattr(handle: int, key: str, value: bytes) -> None:
    """Attributes that this file system has no room for are left out, as Docker does."""
    if key.startswith(FORBIDDEN_XATTRS):
        return
    try:
        os.setxattr(handle, key, value)
    except OSError as error:
        if error.errno not in {errno.ENOTSUP, errno.EPERM, errno.ENODATA}:
            raise


def unpack_layer(source: Source, root: Path, recipe: Recipe, *, open_folders: int = KEPT) -> Unpacked:
    """Unpack one uncompressed layer into the empty folder `root`; the stream is read to its end.

    `open_folders` is how many may be held open at a time.

    On a fault the folder is left partial. Raises TarFault for what is no layer, OSError for a full or broken disk.
    """
    with RootedFolder(root, open_folders) as rooted:
        return Unpacker(rooted, TarReader(source, recipe.seen), recipe).run()
