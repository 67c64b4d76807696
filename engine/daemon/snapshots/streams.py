"""Bytes in order, from whoever has them, as a tar reader wants them; compressed ones are unpacked on the way.

What is compressed tells its first bytes: gzip, zstd, bzip2, xz. Nothing is ever held whole, bombs included.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable
from typing import Any

import zstandard
from isal import isal_zlib
from isal.igzip_lib import IsalError

from engine.daemon.snapshots.tarread import TarFault

Next = Callable[[], bytes]
PIECE = 1 << 18
GZIP, ZSTD, BZIP2, XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\0"
LONGEST_MAGIC = 6
# isal's stubs don't say that its error is an exception
DAMAGED: tuple[Any, ...] = (IsalError, zstandard.ZstdError, OSError, lzma.LZMAError, EOFError)


class Pieces:
    """A Source (tarread) over a function that gives the next piece, empty at the end."""

    def __init__(self, next_piece: Next) -> None:
        self._next = next_piece
        self._buffer = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end <= len(self._buffer):
            piece = self._buffer[self._at : end]
            self._at = end
            return piece
        got = [self._buffer[self._at :]]
        missing = size - len(got[0])
        self._buffer, self._at = b"", 0
        while missing > 0:
            piece = self._next()
            if not piece:
                break
            if len(piece) > missing:
                self._buffer, self._at = piece, missing
                piece = piece[:missing]
            got.append(piece)
            missing -= len(piece)
        return b"".join(got)

    def some(self, size: int) -> bytes:
        if self._at >= len(self._buffer):
            self._buffer, self._at = self._next(), 0
        piece = self._buffer[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def peek(self, size: int) -> bytes:
        """The next bytes, left where they are; fewer at the end."""
        head = self.take(size)
        rest = self._buffer[self._at :]
        self._buffer, self._at = head + rest, 0
        return head

    def next(self) -> bytes:
        """As a Next."""
        return self.some(PIECE)


def unpacked(packed: Pieces) -> Next:
    """What is in the stream, unpacked if it is packed. Raises TarFault for a damaged one."""
    head = packed.peek(LONGEST_MAGIC)
    for magic, make in MAKERS.items():
        if head.startswith(magic):
            return inflating(packed.next, make)
    return packed.next


def is_packed(head: bytes) -> bool:
    return head.startswith(tuple(MAKERS))


def inflating(packed: Next, make: Callable[[], Any]) -> Next:
    """Members one after another, each by a decompressor of its own; a piece of output at most PIECE bytes."""
    machine = make()
    waiting = b""
    fresh = True

    def next_piece() -> bytes:
        nonlocal machine, waiting, fresh
        while True:
            if machine.eof:
                waiting = (machine.unused_data or packed()).lstrip(b"\0")
                if not waiting:
                    return b""
                machine, fresh = make(), True
            needs_input = not waiting and getattr(machine, "needs_input", True)
            if needs_input:
                waiting = packed()
                if not waiting and not fresh:
                    raise TarFault("the compressed stream ends too early")
                if not waiting:
                    return b""
            fresh = False
            try:
                piece, waiting = step(machine, waiting)
            except DAMAGED as error:
                raise TarFault(f"the compressed stream is damaged ({error})") from error
            if piece:
                return piece

    return next_piece


def step(machine: Any, waiting: bytes) -> tuple[bytes, bytes]:
    """One call of a decompressor → (output, input that it left)."""
    piece: bytes = machine.decompress(waiting, PIECE)
    return piece, getattr(machine, "unconsumed_tail", b"")


class Zstd:
    """zstandard's decompressor with the manners of the others: bounded output, `eof`, `unused_data`."""

    def __init__(self) -> None:
        self._machine = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self.unconsumed_tail = b""

    @property
    def eof(self) -> bool:
        return bool(self._machine.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._machine.unused_data) + self.unconsumed_tail

    def decompress(self, data: bytes, limit: int) -> bytes:
        # a kilobyte of zstd is at most some megabytes: small steps bound what one of them can give
        first, rest = data[:1024], data[1024:]
        piece: bytes = self._machine.decompress(first)
        self.unconsumed_tail = rest
        return piece


MAKERS: dict[bytes, Callable[[], Any]] = {
    GZIP: lambda: isal_zlib.decompressobj(31),
    ZSTD: Zstd,
    BZIP2: bz2.BZ2Decompressor,
    XZ: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
}
