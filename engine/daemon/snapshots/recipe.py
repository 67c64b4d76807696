"""How to make a layer's tar again, byte for byte, from its folder: the headers as they were, the files by name.

So a layer lies on the disk once, and what is saved or pushed has the DiffID that was loaded. (What Docker's tar-split
does.) The file is deflated records: `H <size>` + bytes, or `F <size of the path> <size>` + path; then what the tar left
to the layers below: `I` + path for a folder that it implies, `L` + path, NUL, target for a hard link, `E` at the end.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from isal import isal_zlib
from isal.igzip_lib import IsalError

from engine.api.errors import SystemFailure
from engine.kit.rooted import RootedFolder

HEAD = struct.Struct(">cQQ")
PIECE = 1 << 18
BATCH = 1 << 16
# isal's stubs don't say that its error is an exception
DAMAGED: tuple[Any, ...] = (IsalError,)


@dataclass(frozen=True, slots=True)
class Borrowed:
    """What a layer's tar does not say itself: what `implied` folders are like, and the files behind `missing` links."""

    implied: Collection[bytes] = ()
    missing: Collection[tuple[bytes, bytes]] = ()


class RecipeWriter:
    """Written while the layer is unpacked. `aside` is where contents go whose names were given away again."""

    def __init__(self, file: BinaryIO, aside: Path) -> None:
        self._file = file
        self._aside = aside
        self._count = 0
        self._machine = isal_zlib.compressobj(1, wbits=31)
        self._headers = bytearray()
        self._out = bytearray()

    def seen(self, piece: bytes) -> None:
        self._headers += piece
        if len(self._headers) >= BATCH:
            self._flush_headers()

    def file(self, path: bytes, size: int) -> int:
        self._flush_headers()
        self._put(HEAD.pack(b"F", len(path), size) + path)
        self._count += 1
        return self._count

    def keep(self, number: int, name: bytes, parent: int) -> None:
        self._aside.mkdir(mode=0o700, exist_ok=True)
        os.rename(name, self._aside / str(number), src_dir_fd=parent)

    def borrows(self, found: Borrowed) -> None:
        """After the last entry."""
        self._flush_headers()
        for path in sorted(found.implied):
            self._put(HEAD.pack(b"I", len(path), 0) + path)
        for path, target in found.missing:
            both = path + b"\0" + target
            self._put(HEAD.pack(b"L", len(both), 0) + both)
        self._put(HEAD.pack(b"E", 0, 0))

    def _flush_headers(self) -> None:
        if self._headers:
            self._put(HEAD.pack(b"H", len(self._headers), 0) + bytes(self._headers))
            self._headers.clear()

    def _put(self, record: bytes) -> None:
        self._out += record
        if len(self._out) >= BATCH:
            self._file.write(self._machine.compress(bytes(self._out)))
            self._out.clear()

    def finish(self) -> None:
        self._flush_headers()
        self._file.write(self._machine.compress(bytes(self._out)) + self._machine.flush())
        self._file.flush()


def records(path: Path) -> Iterator[tuple[bytes, bytes, int]]:
    """The tar's: (kind, headers or path, size). Raises SystemFailure for a damaged file."""
    return (record for record in all_records(path) if record[0] in b"HF")


def borrowed(path: Path) -> Borrowed | None:
    """None where nobody wrote it down: the layer is of an engine before this one. Raises SystemFailure."""
    implied, missing, told = list[bytes](), list[tuple[bytes, bytes]](), False
    for kind, content, _ in all_records(path):
        if kind == b"I":
            implied.append(content)
        elif kind == b"L":
            name, _, target = content.partition(b"\0")
            missing.append((name, target))
        told = told or kind == b"E"
    return Borrowed(implied, missing) if told else None


def all_records(path: Path) -> Iterator[tuple[bytes, bytes, int]]:
    machine = isal_zlib.decompressobj(31)
    buffer = bytearray()
    with path.open("rb") as file:
        while piece := file.read(BATCH):
            try:
                buffer += machine.decompress(piece)
            except DAMAGED as error:
                raise SystemFailure(f"{path} is damaged: {error}") from error
            at = 0
            while len(buffer) - at >= HEAD.size:
                kind, length, size = HEAD.unpack_from(buffer, at)
                if len(buffer) - at < HEAD.size + length:
                    break
                yield kind, bytes(buffer[at + HEAD.size : at + HEAD.size + length]), size
                at += HEAD.size + length
            del buffer[:at]
    if buffer or not machine.eof:
        raise SystemFailure(f"{path} is damaged: it ends too early")


def tar_of(recipe: Path, folder: Path, aside: Path, diff_id: str) -> Iterator[bytes]:
    """The tar, piece by piece, its digest checked at the end. Raises SystemFailure for a layer that was changed."""
    digest = hashlib.sha256()
    kept = {int(name) for name in os.listdir(aside)} if aside.exists() else set()
    number = 0
    with RootedFolder(folder) as root, RootedFolder(aside if kept else folder) as others:
        for kind, content, size in records(recipe):
            if kind == b"H":
                pieces: Iterable[bytes] = [content]
            else:
                number += 1
                source, path = (others, b"%d" % number) if number in kept else (root, content)
                pieces = pieces_of(source, path, size)
            for piece in pieces:
                digest.update(piece)
                yield piece
    if f"sha256:{digest.hexdigest()}" != diff_id:
        raise SystemFailure(f"the layer {diff_id} was changed on the disk ({folder}): its digest is no longer right")


def pieces_of(root: RootedFolder, path: bytes, size: int) -> Iterator[bytes]:
    name = path.decode(errors="replace")
    try:
        handle = root.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise SystemFailure(f"the layer's file \"{name}\" can't be read: {error.strerror}") from error
    with os.fdopen(handle, "rb", buffering=0) as file:
        while size:
            piece = file.read(min(size, PIECE))
            if not piece:
                raise SystemFailure(f'the layer\'s file "{name}" is shorter than it was')
            size -= len(piece)
            yield piece
