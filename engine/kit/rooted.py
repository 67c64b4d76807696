"""Names below one folder, whatever links lie on the way: every look-up is openat2's, with the folder as its root.

Invariant: nothing outside `root` is opened, made or removed, also while somebody else changes the tree.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from types import TracebackType

from engine.kit.syscalls import openat2

O_PATH_DIR = os.O_PATH | os.O_DIRECTORY
KEPT = 64


class UnsafePath(Exception):
    """A name that can't be one below the root: it has `..`, a NUL or nothing in it."""


def parts_of(name: bytes) -> list[bytes]:
    """The segments of a name, without empty ones and `.`; a leading slash means the root. Raises UnsafePath."""
    parts = [part for part in name.split(b"/") if part and part != b"."]
    if b".." in parts or b"\0" in name:
        raise UnsafePath(f'the path "{name.decode(errors="replace")}" would leave the folder')
    return parts


class RootedFolder:
    """Folders below `root` by path, opened once and kept for a while. Not for several threads at once."""

    def __init__(self, root: str | bytes | os.PathLike[str], kept: int = KEPT) -> None:
        self.handle = os.open(root, O_PATH_DIR)
        self._open: OrderedDict[bytes, int] = OrderedDict()
        self._kept = kept
        # Folders that had to be made on the way: nobody has said yet what they are like.
        self.implied: set[bytes] = set()

    def __enter__(self) -> RootedFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget()
        os.close(self.handle)

    def forget(self) -> None:
        """Call when a folder or link is replaced: what was looked up through it is no longer true."""
        for handle in self._open.values():
            os.close(handle)
        self._open.clear()

    def folder(self, path: bytes, *, make: bool = False) -> int:
        """A descriptor (O_PATH) of the folder; it stays ours. Raises OSError."""
        if not path:
            return self.handle
        handle = self._open.get(path)
        if handle is not None:
            return handle
        try:
            handle = openat2(self.handle, path, O_PATH_DIR)
        except FileNotFoundError:
            if not make:
                raise
            handle = self._make(path)
        self._open[path] = handle
        if len(self._open) > self._kept:
            os.close(self._open.popitem(last=False)[1])
        return handle

    def _make(self, path: bytes) -> int:
        above, _, name = path.rpartition(b"/")
        parent = self.folder(above, make=True)
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        except FileExistsError:
            # a link that leads nowhere: Docker replaces it too
            os.unlink(name, dir_fd=parent)
            os.mkdir(name, 0o755, dir_fd=parent)
        self.implied.add(path)
        return openat2(self.handle, path, O_PATH_DIR)

    def split(self, parts: list[bytes], *, make: bool = False) -> tuple[int, bytes]:
        """The descriptor of the parent, and the last name: for the *at calls. Raises OSError."""
        return self.folder(b"/".join(parts[:-1]), make=make), parts[-1]

    def open(self, path: bytes, flags: int, mode: int = 0) -> int:
        """A file below the root; a link at the end is followed, within the root. The caller closes it."""
        return openat2(self.handle, path or b".", flags, mode=mode)


def open_below(root: str | os.PathLike[str], path: str, flags: int) -> int:
    """Open what lies at `path` below a folder, links followed within it alone; "" is the folder. Raises OSError."""
    folder = os.open(root, O_PATH_DIR | os.O_CLOEXEC)
    try:
        return openat2(folder, path or ".", flags)
    finally:
        os.close(folder)


def remove_tree(name: bytes, parent: int) -> None:
    """Remove whatever lies at `name` in the folder `parent`, and never follow a link. None is no fault."""
    try:
        os.unlink(name, dir_fd=parent)
        return
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in {errno.EISDIR, errno.EPERM}:
            raise
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        for inner in os.listdir(handle):
            remove_tree(os.fsencode(inner), handle)
    finally:
        os.close(handle)
    os.rmdir(name, dir_fd=parent)


def is_folder(name: bytes, parent: int) -> bool:
    """Whether a real folder lies there, not a link to one."""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
