"""A folder that overlayfs wrote becomes a layer as it is: nothing is copied, its tar is only read off for its digest.

Blocks on the disk; called by snapshots.layers in a thread.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from engine.daemon.snapshots.parents import is_opaque, is_whiteout
from engine.daemon.snapshots.recipe import RecipeWriter
from engine.daemon.snapshots.tarread import BLOCK
from engine.daemon.snapshots.tarwrite import KINDS, PIECE, empty_file, encode, head_of


class Adoption:
    """One folder's way. `latest_ns`: no time in the layer is later than this (SOURCE_DATE_EPOCH)."""

    def __init__(self, root: Path, recipe: RecipeWriter, latest_ns: int | None) -> None:
        self._root = root
        self._recipe = recipe
        self._latest = latest_ns
        self._digest = hashlib.sha256()
        self._links: dict[tuple[int, int], str] = {}
        self.size = 0

    def run(self) -> str:
        """→ the DiffID."""
        self._walk(self._root, "")
        self._put(bytes(2 * BLOCK))
        return f"sha256:{self._digest.hexdigest()}"

    def _put(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._recipe.seen(piece)

    def _walk(self, folder: Path, prefix: str) -> None:
        if prefix and is_opaque(folder):
            self._put(empty_file(f"{prefix}.wh..wh..opq"))
        for name in sorted(os.listdir(folder)):
            path = folder / name
            status = path.lstat()
            if is_whiteout(status):
                self._put(empty_file(f"{prefix}.wh.{name}"))
            elif stat.S_IFMT(status.st_mode) not in KINDS:
                path.unlink()  # a socket has no place in a layer
            else:
                self._member(path, f"{prefix}{name}", status)
        self._clamp(folder, folder.lstat())

    def _member(self, path: Path, name: str, status: os.stat_result) -> None:
        head = head_of(path, name, status)
        self._clamp_head(head, status)
        regular = stat.S_ISREG(status.st_mode)
        if regular and status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), name)
            if first != name:
                head.type, head.linkname, head.size = tarfile.LNKTYPE, first, 0
        self._put(encode(head))
        if regular and head.type != tarfile.LNKTYPE:
            self._content(path, name, head.size)
            self.size += head.size
        if stat.S_ISDIR(status.st_mode):
            self._walk(path, f"{name}/")
        else:
            self._clamp(path, status)

    def _content(self, path: Path, name: str, size: int) -> None:
        if not size:
            return
        self._recipe.file(os.fsencode(name), size)
        with path.open("rb", buffering=0) as file:
            for piece in pieces(file.fileno()):
                self._digest.update(piece)
        if size % BLOCK:
            self._put(bytes(-size % BLOCK))

    def _clamp_head(self, head: tarfile.TarInfo, status: os.stat_result) -> None:
        if self._latest is not None and status.st_mtime_ns > self._latest:
            head.mtime, part = divmod(self._latest, 1_000_000_000)
            head.pax_headers = {key: value for key, value in head.pax_headers.items() if key != "mtime"}
            if part:
                head.pax_headers["mtime"] = f"{head.mtime}.{part:09d}"

    def _clamp(self, path: Path, status: os.stat_result) -> None:
        if self._latest is not None and status.st_mtime_ns > self._latest:
            os.utime(path, ns=(self._latest, self._latest), follow_symlinks=False)


def pieces(handle: int) -> Iterator[bytes]:
    while piece := os.read(handle, PIECE):
        yield piece
