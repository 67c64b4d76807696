"""Joining a client's raw stream to a process' streams: attach and exec alike.

`Ends` is what the process offers; the client is engine.http's Upgraded. With a terminal bytes are raw, without they
are framed. Source: Engine API v1.50, /containers/{id}/attach.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import anyio

from engine.api.frames import Frame, Stream, encode
from engine.daemon.containers.detach_keys import KeyWatch
from engine.http.errors import HttpFault
from engine.http.upgraded import Upgraded

Emit = Callable[[Frame], Awaitable[None]]


class Ends(Protocol):
    async def copy_output(self, emit: Emit) -> None:
        """Give `emit` all that it writes, to its end."""

    async def send(self, content: bytes) -> bool: ...

    def send_eof(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Joining:
    """`raw`: without frames. `keys` None: nothing typed detaches.

    `input_ends`: the client's end of input is passed on; else it detaches.
    """

    raw: bool
    stdin: bool
    stdout: bool
    stderr: bool
    keys: bytes | None = None
    input_ends: bool = True


async def join(client: Upgraded, ends: Ends, how: Joining) -> bool:
    """Copy both ways until the process' output ends or the client leaves; True when it left by the keys."""
    detached = False

    async def emit(frame: Frame) -> None:
        if how.raw:
            await client.send(frame.data)
        elif how.stdout if frame.stream is Stream.STDOUT else how.stderr:
            await client.send(encode(frame))

    async with anyio.create_task_group() as tasks:

        async def take_input() -> None:
            nonlocal detached
            left, detached = await copy_input(client, ends, how)
            if left:
                tasks.cancel_scope.cancel()

        tasks.start_soon(take_input)
        # A client that has gone stops nothing: the process goes on.
        with contextlib.suppress(HttpFault):
            await ends.copy_output(emit)
        tasks.cancel_scope.cancel()
    return detached


async def copy_input(client: Upgraded, ends: Ends, how: Joining) -> tuple[bool, bool]:
    """→ (the client leaves, by the keys). Its end of input without input to give is no leaving."""
    watch = KeyWatch(how.keys) if how.keys is not None else None
    while True:
        try:
            piece = await client.receive()
        except HttpFault:
            return True, False
        if not piece:
            break
        if not how.stdin:
            continue
        found = False
        if watch is not None:
            piece, found = watch.feed(piece)
        if piece:
            await ends.send(piece)
        if found:
            return True, True
    if not how.stdin:
        # A client without input closes its side at once; that it is gone for good shows when we write.
        return False, False
    if how.input_ends:
        ends.send_eof()
        return False, False
    return True, False
