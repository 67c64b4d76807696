"""A tar unpacked where other things lie already: into a container's root, or a build's. Never outside that root.

Links on the way are followed within the root. Runs in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from engine.daemon.snapshots.tarread import Entry, TarFault, TarReader
from engine.daemon.snapshots.unpack import Unpacker, set_manners
from engine.kit.rooted import RootedFolder, is_folder, open_below, parts_of


class NoRecipe:
    """Nobody makes this tar again."""

    def seen(self, piece: bytes) -> None: ...

    def file(self, path: bytes, size: int) -> int:
        return 0

    def keep(self, number: int, name: bytes, parent: int) -> None: ...


class Placer(Unpacker):
    """Unpacks below a folder of the container's root, where other things lie already. Whiteouts mean nothing here."""

    def __init__(
        self,
        root: RootedFolder,
        reader: TarReader,
        prefix: bytes,
        keep_kinds: bool,
        owner: tuple[int, int] | None,
        mounted: Mapping[bytes, tuple[Path, str]] | None = None,
    ) -> None:
        """`mounted`: what a container would see at these paths below its root, as a folder of the host's and a path
        within it; a folder's manners go there.
        """
        super().__init__(root, reader, NoRecipe())
        self._prefix = prefix
        self._keep_kinds = keep_kinds
        self._owner = owner
        self._mounted = mounted or {}

    def _place(self, entry: Entry) -> None:
        parts = parts_of(entry.name)
        if not parts:
            return  # the folder itself: it is there, and stays as it is
        entry.name = b"/".join([self._prefix, *parts]) if self._prefix else b"/".join(parts)
        if entry.kind == 0x31 and self._prefix:
            entry.target = b"/".join([self._prefix, *parts_of(entry.target)])
        if self._owner is not None:
            entry.uid, entry.gid = self._owner
        where = parts_of(entry.name)
        if entry.kind == 0x35 and b"/".join(where) in self._mounted:
            self._folders[b"/".join(where)] = entry
            return
        parent, name = self._root.split(where, make=True)
        maker = self._makers.get(entry.kind, Unpacker._file)
        path = b"/".join(where)
        try:
            maker(self, entry, path, parent, name)
        except FileExistsError:
            self._check_kinds(entry, parent, name)
            self._clear(path, parent, name)
            parent, name = self._root.split(where, make=True)
            maker(self, entry, path, parent, name)

    def _finish_folder(self, path: bytes, entry: Entry) -> None:
        source = self._mounted.get(path)
        if source is None:
            super()._finish_folder(path, entry)
            return
        handle = open_below(*source, os.O_RDONLY | os.O_DIRECTORY)
        try:
            set_manners(handle, entry)
        finally:
            os.close(handle)

    def _check_kinds(self, entry: Entry, parent: int, name: bytes) -> None:
        if not self._keep_kinds:
            return
        there, comes = is_folder(name, parent), entry.kind == 0x35
        if there and not comes:
            raise TarFault(f'cannot overwrite directory "{os.fsdecode(entry.name)}" with non-directory')
        if comes and not there:
            raise TarFault(f'cannot overwrite non-directory "{os.fsdecode(entry.name)}" with directory')
