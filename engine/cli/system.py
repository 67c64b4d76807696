"""`rorqual system`: the engine itself. `dial-stdio` is what ssh:// runs on the far side."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import typer

from engine.api.errors import Unavailable
from engine.cli.objects import systems_look
from engine.cli.objects.group import make_group
from engine.cli.objects.system_check import check
from engine.cli.options import EngineOptions, with_options

if TYPE_CHECKING:
    from anyio.abc import ByteStream

PIECE = 65536

system = make_group("The engine itself.")
systems_look.add_to(system)
system.command("check")(check)


@system.command("dial-stdio")
@with_options(EngineOptions)
def dial_stdio(engine: EngineOptions, call: typer.Context) -> None:
    """Join standard input and output to the engine's socket. Example: ssh host rorqual system dial-stdio"""
    from engine.cli.connection import target_of
    from engine.client.dialer import dialer
    from engine.http.errors import HttpFault

    outer: EngineOptions = call.obj
    target = target_of(EngineOptions(host=engine.host or outer.host, context=engine.context or outer.context))

    async def run() -> None:
        try:
            stream = await dialer(target)()
        except HttpFault as fault:
            raise Unavailable(f"can't connect to the engine at {target.address}: {fault}") from fault
        async with stream:
            await join(stream, 0, 1)

    anyio.run(run)


async def join(stream: ByteStream, source: int, sink: int) -> None:
    """Carry bytes both ways until the engine hangs up. The end of the source is passed on, and ends nothing else."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(carry_in, stream, source)
        with unblocking(sink):
            try:
                async for piece in stream:
                    await write_all(sink, piece)
            except anyio.BrokenResourceError:
                pass  # the engine reset the connection: the far side sees the end, and its client knows what it lacks
        tasks.cancel_scope.cancel()


async def carry_in(stream: ByteStream, source: int) -> None:
    waits = not stat.S_ISREG(os.fstat(source).st_mode)
    try:
        while True:
            if waits:
                await anyio.wait_readable(source)
            piece = os.read(source, PIECE)
            if not piece:
                await stream.send_eof()
                return
            await stream.send(piece)
    except (anyio.BrokenResourceError, OSError):
        pass  # the engine hung up: the other direction tells


async def write_all(sink: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        try:
            left = left[os.write(sink, left) :]
        except BlockingIOError:
            await anyio.wait_writable(sink)


@contextmanager
def unblocking(handle: int) -> Iterator[None]:
    """A full pipe must not stop the other direction; the flag is shared with other processes, so it is put back."""
    before = os.get_blocking(handle)
    os.set_blocking(handle, False)
    try:
        yield
    finally:
        os.set_blocking(handle, before)
