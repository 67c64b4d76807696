"""A server on a real socket that does what the test says, byte by byte; it knows no HTTP but where a head ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.http.dial import dial_unix
from engine.http.pool import Pool

Script = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One accepted connection; `number` counts them from 1, `answers` its answers."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    answers: int = 0

    async def head(self) -> bytes:
        """The next request's head; empty when the client has gone."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def say(self, text: str) -> None:
        self.writer.write(text.encode())
        await self.writer.drain()

    async def answer(self, body: str, status: str = "200 OK") -> None:
        self.answers += 1
        await self.say(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}")

    async def rest(self) -> bytes:
        """All that the client still sends, to its end."""
        with suppress(ConnectionError):
            return await self.reader.read()
        return b""


@dataclass
class Server:
    path: Path
    script: Script
    peers: list[Peer] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        peer = Peer(reader, writer, len(self.peers) + 1)
        self.peers.append(peer)
        with suppress(ConnectionError, asyncio.CancelledError):
            await self.script(peer)
        writer.close()
        with suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def serving(folder: Path, script: Script, **settings: int) -> AsyncIterator[tuple[Pool, Server]]:
    """A server with the script, and a pool that reaches it."""
    server = Server(folder / "s", script)
    pool = Pool(partial(dial_unix, str(server.path)), host="docker", **settings)
    async with await asyncio.start_unix_server(server.accept, server.path):
        try:
            yield pool, server
        finally:
            await pool.aclose()
            await server.close()
