"""Connections to one server, kept alive between requests.

Invariant: only a connection whose exchange ended whole goes back; a cancelled or failed one is closed. Short requests
are at most `busy_limit` at a time; streams and upgrades, which live as long as the user wants, don't count.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio
from anyio.abc import ByteStream

from engine.http.connection import Connection
from engine.http.errors import AnswerTimeout, ConnectionLost, HttpFault
from engine.http.message import Request, Response
from engine.http.upgraded import Upgraded

Dial = Callable[[], Awaitable[ByteStream]]


class Pool:
    def __init__(self, dial: Dial, *, host: str, idle_limit: int = 32, busy_limit: int = 64) -> None:
        self._dial = dial
        self._host = host
        self._idle: list[Connection] = []
        self._idle_limit = idle_limit
        self._busy = anyio.Semaphore(busy_limit, fast_acquire=True)
        self._closed = False

    async def fetch(self, request: Request, *, timeout_seconds: float | None = None) -> tuple[Response, bytes]:
        """One short exchange, the answer's body whole."""
        async with self._busy, self.exchange(request, timeout_seconds=timeout_seconds) as response:
            return response, await response.read()

    @asynccontextmanager
    async def exchange(self, request: Request, *, timeout_seconds: float | None = None) -> AsyncIterator[Response]:
        """Send the request; the block gets the answer's head, and reads its body as it likes.

        `timeout_seconds` is the time until the head. Raises HttpFault's classes; what the body's source raises goes
        through as it is.
        """
        if isinstance(request.body, bytes):
            connection, response = await self._begin(request, timeout_seconds)
            try:
                yield response
            except BaseException:
                await connection.aclose()
                raise
            await self._give_back(connection)
        else:
            async with self._exchange_pieces(request, request.body, timeout_seconds) as response:
                yield response

    @asynccontextmanager
    async def _exchange_pieces(
        self, request: Request, body: AsyncIterable[bytes], timeout_seconds: float | None
    ) -> AsyncIterator[Response]:
        """The body goes out beside the answer coming in: an engine may answer before it has read all."""
        connection = await self._take(new=True)
        try:
            async with anyio.create_task_group() as tasks:
                await connection.send_head(request)
                tasks.start_soon(send_beside, connection, body)
                with answer_within(timeout_seconds):
                    response = await connection.receive_head()
                yield response
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            await connection.aclose()
            # In the group live only the block and the sender: the body's source is to blame before the connection.
            raise next((e for e in group.exceptions if not isinstance(e, HttpFault)), group.exceptions[0]) from None
        except BaseException:
            await connection.aclose()
            raise
        await self._give_back(connection)

    @asynccontextmanager
    async def upgrade(self, request: Request) -> AsyncIterator[Response | Upgraded]:
        """Ask for a raw stream: the block gets it, or the response that refused it (status 300 and up)."""
        headers = {"connection": "Upgrade", "upgrade": "tcp", **request.headers}
        asked = Request(request.method, request.target, headers, request.body)
        connection = await self._take(new=True)
        try:
            await connection.send_head(asked)
            response = await connection.receive_head()
            if response.status == 101 or response.status == 200:
                yield Upgraded(*connection.take_over(), headers=response.headers)
            else:
                yield response
        finally:
            await connection.aclose()

    async def _begin(self, request: Request, timeout_seconds: float | None) -> tuple[Connection, Response]:
        """Send and get the head; a kept connection that turns out dead is replaced once if nothing can happen twice."""
        for new in (False, True):
            kept = bool(self._idle) and not new
            connection = await self._take(new=new)
            try:
                with answer_within(timeout_seconds):
                    await connection.send_head(request)
                    return connection, await connection.receive_head()
            except ConnectionLost as error:
                await connection.aclose()
                if not (kept and request.idempotent and not error.answered):
                    raise
            except BaseException:
                await connection.aclose()
                raise
        raise AssertionError("a new connection is not a kept one")

    async def _take(self, *, new: bool) -> Connection:
        while self._idle and not new:
            connection = self._idle.pop()
            if connection.fresh():
                return connection
            await connection.aclose()
        return Connection(await self._dial(), self._host)

    async def _give_back(self, connection: Connection) -> None:
        if connection.reusable and len(self._idle) < self._idle_limit and not self._closed:
            connection.next_cycle()
            self._idle.append(connection)
        else:
            await connection.aclose()

    async def aclose(self) -> None:
        self._closed = True
        while self._idle:
            await self._idle.pop().aclose()


async def send_beside(connection: Connection, body: AsyncIterable[bytes]) -> None:
    # Whoever reads the answer meets the loss too, and may find there why.
    with suppress(ConnectionLost):
        await connection.send_pieces(body)


@contextmanager
def answer_within(timeout_seconds: float | None) -> Iterator[None]:
    try:
        with anyio.fail_after(timeout_seconds):
            yield
    except TimeoutError as error:
        raise AnswerTimeout(f"no answer within {timeout_seconds:g} seconds") from error
