"""Bytes between the event loop and a thread, bounded both ways: the faster side waits for the slower one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
from anyio import from_thread, to_thread
from anyio.streams.memory import MemoryObjectSendStream

T = TypeVar("T")
MOST_BYTES = 8 << 20


class Feed:
    """Pieces put on the event loop, taken in a thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._most = most_bytes
        self._ended = False
        self._fault: BaseException | None = None
        self._changed = threading.Condition()
        self._room: anyio.Event | None = None

    async def put(self, piece: bytes) -> None:
        """Raises what `fail` was given; once the thread has stopped taking, pieces are dropped."""
        room = None
        with self._changed:
            if self._ended or not piece:
                return
            self._pieces.append(piece)
            self._bytes += len(piece)
            self._changed.notify()
            if self._bytes > self._most:
                room = self._room = anyio.Event()
        if room is not None:
            await room.wait()

    def end(self, fault: BaseException | None = None) -> None:
        """No more pieces: the thread sees the end, or the fault. From either side."""
        with self._changed:
            self._ended = True
            self._fault = self._fault or fault
            self._changed.notify()

    def next(self) -> bytes:
        """In the thread: the next piece, empty at the end. Raises the fault that ended it."""
        with self._changed:
            while not self._pieces and not self._ended:
                self._changed.wait()
            if self._fault is not None:
                raise self._fault
            piece = self._pieces.popleft() if self._pieces else b""
            self._bytes -= len(piece)
            room = None
            if self._room is not None and self._bytes <= self._most // 2:
                room, self._room = self._room, None
        if room is not None:
            from_thread.run_sync(room.set)
        return piece


async def run_on_stream(source: AsyncIterable[bytes], work: Callable[[Feed], T]) -> T:
    """Run `work` in a thread on the bytes of `source`. What either raises ends both; what is left unread is dropped."""
    feed = Feed()
    outcome: list[T] = []

    async def take() -> None:
        try:
            async for piece in source:
                await feed.put(piece)
        except BaseException as error:
            feed.end(error if isinstance(error, Exception) else EOFError("the stream was broken off"))
            raise
        feed.end()

    def run() -> T:
        try:
            return work(feed)
        finally:
            feed.end()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        outcome.append(await to_thread.run_sync(run))
        tasks.cancel_scope.cancel()
    return outcome[0]


@asynccontextmanager
async def pieces_from_thread(make: Callable[[], Iterator[bytes]]) -> AsyncIterator[AsyncIterator[bytes]]:
    """The pieces of an iterator that blocks, each made in a thread while the one before is used."""
    send, receive = anyio.create_memory_object_stream[bytes](2)

    def run() -> None:
        for piece in make():
            try:
                from_thread.run(deliver, send, piece)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async def produce() -> None:
        await to_thread.run_sync(run)
        # Only here: after a fault the reader is cancelled, and must not take what came so far for the whole.
        send.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(produce)
        try:
            yield receive
        finally:
            receive.close()
            send.close()
        tasks.cancel_scope.cancel()


async def deliver(send: MemoryObjectSendStream[bytes], piece: bytes) -> None:
    await send.send(piece)
