"""The frames of attach, logs and exec: 8 bytes of head (stream, three zeros, big-endian length), then the bytes.

Pure: bytes in, frames out, whatever way the bytes were cut. With a TTY there are no frames; use `Raw`.
Source: Engine API v1.50, /containers/{id}/attach#stream-format.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple, Protocol

from engine.api.errors import SystemFailure

HEAD = struct.Struct(">BxxxL")


class Stream(enum.IntEnum):
    STDIN = 0
    STDOUT = 1
    STDERR = 2
    # The engine's own words about a failed stream (daemon/logs: "Error grabbing logs: …").
    SYSTEM = 3


class Frame(NamedTuple):
    stream: Stream
    data: bytes


class Decoder(Protocol):
    """Turns pieces of a stream into frames."""

    def feed(self, piece: bytes) -> list[Frame]: ...

    def rest(self) -> bytes:
        """What was fed and belongs to no whole frame."""


class Multiplexed:
    """Frames with heads. A head that can't be one raises SystemFailure: the stream is then lost."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> list[Frame]:
        self._buffer += piece
        frames: list[Frame] = []
        start = 0
        while len(self._buffer) - start >= HEAD.size:
            stream, length = HEAD.unpack_from(self._buffer, start)
            if stream > Stream.SYSTEM or self._buffer[start + 1 : start + 4] != b"\0\0\0":
                raise SystemFailure("the engine's stream is out of step: a frame does not start with a frame's head")
            end = start + HEAD.size + length
            if len(self._buffer) < end:
                break
            frames.append(Frame(Stream(stream), bytes(self._buffer[start + HEAD.size : end])))
            start = end
        del self._buffer[:start]
        return frames

    def rest(self) -> bytes:
        return bytes(self._buffer)


class Raw:
    """A TTY's stream: every piece is standard output."""

    def feed(self, piece: bytes) -> list[Frame]:
        return [Frame(Stream.STDOUT, piece)] if piece else []

    def rest(self) -> bytes:
        return b""


def encode(frame: Frame) -> bytes:
    """The frame as it goes over the wire."""
    return HEAD.pack(frame.stream, len(frame.data)) + frame.data
