"""Rtnetlink as packed bytes: one socket, several requests in one write, each acknowledged. Source: rtnetlink(7).

A socket belongs to the network namespace in which it was opened, wherever its user is later.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from types import TracebackType

REQUEST, ACK, REPLACE, EXCL, CREATE, DUMP = 0x1, 0x4, 0x100, 0x200, 0x400, 0x300
ERROR, DONE = 2, 3
RECEIVE_BYTES = 1 << 16
TIMEOUT_SECONDS = 10
MOST_AT_ONCE = 64
HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
NESTED = 0x8000


class NetlinkError(OSError):
    """The kernel said no to one request: errno and what was asked."""


def attribute(kind: int, value: bytes | int | str) -> bytes:
    """One attribute, padded; an int is 32 bits wide, a text ends in a zero byte."""
    if isinstance(value, int):
        value = struct.pack("=I", value)
    elif isinstance(value, str):
        value = value.encode() + b"\0"
    return ATTRIBUTE.pack(len(value) + 4, kind) + value + bytes(-len(value) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(attributes))


class Request:
    """A message without its number: type, flags beyond REQUEST and ACK, body, and the words for a fault."""

    __slots__ = ("body", "flags", "kind", "tolerated", "words")

    def __init__(self, kind: int, body: bytes, words: str, flags: int = 0, tolerated: Sequence[int] = ()) -> None:
        self.kind, self.body, self.words, self.flags, self.tolerated = kind, body, words, flags, tolerated


class Netlink:
    """A route socket of the namespace in which it is made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        # A limit of the kernel's: Python's own would poll before each read.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", TIMEOUT_SECONDS, 0))
        self._number = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def do(self, requests: Sequence[Request]) -> None:
        """All of them, in order, many in one write; the kernel goes on after a fault. Raises the first fault."""
        fault: NetlinkError | None = None
        # More acknowledgements at once would not fit into the socket's buffer.
        for first in range(0, len(requests), MOST_AT_ONCE):
            try:
                self._write(requests[first : first + MOST_AT_ONCE])
            except NetlinkError as error:
                fault = fault or error
        if fault is not None:
            raise fault

    def _write(self, requests: Sequence[Request]) -> None:
        pieces, waiting = [], {}
        for request in requests:
            self._number += 1
            waiting[self._number] = request
            length = HEADER.size + len(request.body)
            pieces.append(HEADER.pack(length, request.kind, REQUEST | ACK | request.flags, self._number, 0))
            pieces.append(request.body + bytes(-length % 4))
        self._socket.send(b"".join(pieces))
        fault: NetlinkError | None = None
        while waiting:
            for kind, number, body in messages(self._socket.recv(RECEIVE_BYTES)):
                if kind != ERROR or number not in waiting:
                    continue
                answered = waiting.pop(number)
                code = -struct.unpack_from("=i", body)[0]
                if code and code not in answered.tolerated and fault is None:
                    fault = NetlinkError(code, os.strerror(code), answered.words)
        if fault is not None:
            raise fault

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Every object of a kind, as bodies of messages."""
        self._number += 1
        self._socket.send(HEADER.pack(HEADER.size + len(body), kind, REQUEST | DUMP, self._number, 0) + body)
        found: list[bytes] = []
        while True:
            for kind_, number, piece in messages(self._socket.recv(RECEIVE_BYTES)):
                if number != self._number:
                    continue
                if kind_ == DONE:
                    return found
                if kind_ == ERROR:
                    code = -struct.unpack_from("=i", piece)[0]
                    raise NetlinkError(code, os.strerror(code), "a list of the kernel's")
                found.append(piece)

    def get(self, kind: int, body: bytes) -> bytes | None:
        """One object, None where the kernel knows none."""
        self._number += 1
        self._socket.send(HEADER.pack(HEADER.size + len(body), kind, REQUEST, self._number, 0) + body)
        while True:
            for kind_, number, piece in messages(self._socket.recv(RECEIVE_BYTES)):
                if number != self._number:
                    continue
                if kind_ != ERROR:
                    return piece
                code = -struct.unpack_from("=i", piece)[0]
                if code in {errno.ENODEV, errno.ENOENT}:
                    return None
                raise NetlinkError(code, os.strerror(code), "an object of the kernel's")


def messages(received: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Type, number and body of each message in what one read gave."""
    at = 0
    while at + HEADER.size <= len(received):
        length, kind, _, number, _ = HEADER.unpack_from(received, at)
        yield kind, number, received[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def attributes(body: bytes) -> dict[int, bytes]:
    """The attributes after a message's fixed part, by kind."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(body):
        length, kind = ATTRIBUTE.unpack_from(body, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = body[at + 4 : at + length]
        at += (length + 3) & ~3
    return found
