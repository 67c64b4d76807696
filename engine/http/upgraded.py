"""The raw stream that an upgraded connection is: bytes both ways, each side ended on its own."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import anyio
from anyio.abc import ByteStream

from engine.http.connection import LOST, PIECE, reason
from engine.http.errors import ConnectionLost


class Upgraded:
    """`headers` are those of the answer; `leading` came together with it."""

    def __init__(self, transport: ByteStream, leading: bytes, *, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self._transport = transport
        self._leading = leading

    async def receive(self) -> bytes:
        """The next bytes; empty at the end."""
        if self._leading:
            leading, self._leading = self._leading, b""
            return leading
        try:
            return await self._transport.receive(PIECE)
        except anyio.EndOfStream:
            return b""
        except LOST as error:
            raise ConnectionLost(f"the connection broke ({reason(error)})", answered=True) from error

    async def send(self, piece: bytes) -> None:
        try:
            await self._transport.send(piece)
        except LOST as error:
            raise ConnectionLost(f"the connection broke ({reason(error)})", answered=True) from error

    async def send_eof(self) -> None:
        """Say that nothing more will be sent; what the other side sends still comes. A gone other side is no fault."""
        with contextlib.suppress(*LOST):
            await self._transport.send_eof()
