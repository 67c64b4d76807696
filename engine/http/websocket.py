"""The server's side of a WebSocket over a stream that was taken over: binary messages out, any messages in.

Source: RFC 6455. Fragments are passed on as they come; a ping is answered; a close ends it.
"""

from __future__ import annotations

import base64
import hashlib

from engine.http.upgraded import Upgraded

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
LARGEST = 1 << 20


def accept_key(key: str) -> str:
    """Sec-WebSocket-Accept for a client's Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + GUID, usedforsecurity=False).digest()).decode()


def frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([0x80 | kind, size]) + payload
    if size < 1 << 16:
        return bytes([0x80 | kind, 126]) + size.to_bytes(2, "big") + payload
    return bytes([0x80 | kind, 127]) + size.to_bytes(8, "big") + payload


def unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


class WebSocket(Upgraded):
    """As an Upgraded: what is received is the messages' payload, what is sent becomes binary messages."""

    def __init__(self, stream: Upgraded) -> None:
        self.headers = stream.headers
        self._stream = stream
        self._buffer = b""
        self._closed = False

    async def receive(self) -> bytes:
        """The next payload; empty once the client has closed, or says what is no WebSocket."""
        while not self._closed:
            found = self._take()
            if found is None:
                piece = await self._stream.receive()
                if not piece:
                    break
                self._buffer += piece
                continue
            kind, payload = found
            if kind == CLOSE:
                break
            if kind == PING:
                await self._stream.send(frame(PONG, payload))
            elif kind in (TEXT, BINARY, CONTINUATION) and payload:
                return payload
        self._closed = True
        return b""

    def _take(self) -> tuple[int, bytes] | None:
        """The next whole frame, if it is here. A client's frames are masked: others end the stream."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(buffer[2 : 2 + width], "big"), 2 + width
        if not buffer[1] & 0x80 or size > LARGEST:
            return CLOSE, b""
        end = start + 4 + size
        if len(buffer) < end:
            return None
        self._buffer = buffer[end:]
        return buffer[0] & 0x0F, unmasked(buffer[start + 4 : end], buffer[start : start + 4])

    async def send(self, piece: bytes) -> None:
        await self._stream.send(frame(BINARY, piece))

    async def send_eof(self) -> None:
        await self._stream.send(frame(CLOSE, (1000).to_bytes(2, "big")))
        await self._stream.send_eof()
