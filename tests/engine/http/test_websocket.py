"""A WebSocket over a raw stream: frames in and out, however they are cut."""

from __future__ import annotations

import os

import pytest

from engine.http.upgraded import Upgraded
from engine.http.websocket import BINARY, CLOSE, PING, WebSocket, accept_key, frame

pytestmark = pytest.mark.anyio


class Wire(Upgraded):
    """A stream from a list of pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.headers = {}
        self.pieces = pieces
        self.sent: list[bytes] = []

    async def receive(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def send(self, piece: bytes) -> None:
        self.sent.append(piece)


def masked(kind: int, payload: bytes) -> bytes:
    whole = bytearray(frame(kind, payload))
    whole[1] |= 0x80
    mask = os.urandom(4)
    start = len(whole) - len(payload)
    body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes(whole[:start]) + mask + body


def test_the_key_is_answered_as_the_standard_says() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("size", [1, 125, 126, 70_000])
@pytest.mark.parametrize("cut", [1, 3, 100_000])
async def test_messages_of_any_size_arrive_however_they_are_cut(size: int, cut: int) -> None:
    payload = os.urandom(size)
    wire = masked(BINARY, payload) + masked(CLOSE, b"")
    socket = WebSocket(Wire([wire[at : at + cut] for at in range(0, len(wire), cut)]))
    assert await socket.receive() == payload
    assert await socket.receive() == b""


async def test_a_ping_is_answered_and_a_frame_without_a_mask_ends_it() -> None:
    wire = Wire([masked(PING, b"hi") + frame(BINARY, b"no mask")])
    assert await WebSocket(wire).receive() == b""
    assert wire.sent == [b"\x8a\x02hi"]
