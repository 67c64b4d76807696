"""Where the body of an answer ends: pure decoders, bytes in, payload out, whatever way the bytes were cut.

Ours and not h11's because the engine writes a chunk per log line: h11 makes an event of each (17 µs), this joins all
chunks of a piece (1 µs each). Source: RFC 9112, 6 and 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from engine.http.errors import NotHttp

LONGEST_LINE = 4096


class Body(Protocol):
    """`done` once the end was seen; `surplus` is what came after it; `left` the bytes to come, None when unknown."""

    done: bool
    surplus: bytes

    @property
    def left(self) -> int | None: ...

    def feed(self, piece: bytes) -> bytes:
        """The payload in the next bytes of the connection. Raises NotHttp."""

    def may_end_by_closing(self) -> bool:
        """Whether a closed connection is the body's end, and not its loss."""


class Sized:
    """Content-Length; 0 for an answer without a body."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0
        self.surplus = b""

    @property
    def left(self) -> int | None:
        return self._left

    def feed(self, piece: bytes) -> bytes:
        if len(piece) <= self._left:
            self._left -= len(piece)
            self.done = self._left == 0
            return piece
        payload, self.surplus = piece[: self._left], self.surplus + piece[self._left :]
        self._left, self.done = 0, True
        return payload

    def may_end_by_closing(self) -> bool:
        return self.done


class ToTheEnd:
    """Neither length nor chunks: all until the connection closes."""

    left = None

    def __init__(self) -> None:
        self.done = False
        self.surplus = b""

    def feed(self, piece: bytes) -> bytes:
        return piece

    def may_end_by_closing(self) -> bool:
        return True


class Chunked:
    """Chunks, then trailers, which are read and dropped."""

    left = None

    def __init__(self) -> None:
        self._buffer = b""
        # Bytes of the present chunk that are still to come, its line end included.
        self._left = 0
        self._in_trailers = False
        self.done = False
        self.surplus = b""

    def feed(self, piece: bytes) -> bytes:
        buffer = self._buffer + piece if self._buffer else piece
        payload: list[bytes] = []
        position = self._skip_chunk(buffer, 0, payload)
        while not self._left and not self.done:
            end = buffer.find(b"\r\n", position)
            if end < 0:
                break
            line = buffer[position:end]
            position = end + 2
            if self._in_trailers:
                self.done = not line
            elif size := self._size(line):
                self._left = size + 2
                position = self._skip_chunk(buffer, position, payload)
            else:
                self._in_trailers = True
        self._keep(buffer[position:])
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def _skip_chunk(self, buffer: bytes, position: int, payload: list[bytes]) -> int:
        """Take what there is of the present chunk; the two bytes after its data must be its line end."""
        if not self._left:
            return position
        end = min(position + self._left, len(buffer))
        data_end = min(position + max(self._left - 2, 0), end)
        if data_end > position:
            payload.append(buffer[position:data_end])
        marks = b"\r\n"[2 - min(self._left - (data_end - position), 2) :]
        if not marks.startswith(buffer[data_end:end]):
            raise NotHttp("the answer is not HTTP (a chunk is longer than its size)")
        self._left -= end - position
        return end

    def _size(self, line: bytes) -> int:
        try:
            digits = line.partition(b";")[0].strip()
            if not digits or digits[:1] in b"+-" or b"_" in digits:
                raise ValueError
            return int(digits, 16)
        except ValueError:
            raise NotHttp("the answer is not HTTP (a chunk without a size)") from None

    def _keep(self, rest: bytes) -> None:
        self._buffer, self.surplus = (b"", rest) if self.done else (rest, b"")
        if len(self._buffer) > LONGEST_LINE:
            raise NotHttp("the answer is not HTTP (a line without an end)")

    def may_end_by_closing(self) -> bool:
        return self.done


def body_of(method: str, status: int, headers: Mapping[str, str]) -> Body:
    """The decoder for an answer's body, by its head (RFC 9112, 6.3)."""
    if method == "HEAD" or status in (204, 304) or status < 200:
        return Sized(0)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Chunked()
    if "content-length" in headers:
        return Sized(int(headers["content-length"]))
    return ToTheEnd()
