"""This process's terminal joined to a process in a container: raw mode, resizes, signals, and every way back out.

Raw mode is undone on every exit path: the end of the stream, a fault, Ctrl-C from outside, SIGTERM and SIGHUP.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from engine.api.errors import EngineError, Unavailable
from engine.api.frames import Stream
from engine.cli.detachkeys import DEFAULT, DetachKeys, parse_keys
from engine.cli.output import write
from engine.client.streams import Hijacked

CHUNK = 65536
END_OF_INPUT = b"\x04"
Resize = Callable[[int, int], Awaitable[None]]
Forward = Callable[[str], Awaitable[None]]
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
FATAL = (signal.SIGTERM, signal.SIGHUP)


class Ended(Exception):
    """A signal asked this process to end; the exit code follows the shell's rule."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def is_terminal() -> bool:
    """Whether a TTY is worth having: a person types and a person reads."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def raw_mode(*, wanted: bool) -> Iterator[None]:
    """Keys go through untouched. Without `wanted`, or where stdin is no terminal, nothing is done."""
    if not wanted or not sys.stdin.isatty():
        yield
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@dataclass(frozen=True, slots=True)
class Conversation:
    """How a stream is joined: `resize` is told height and width, `forward` the name of each signal that comes.

    `sends_end` False keeps the end of our input to ourselves: an engine that can't pass it on ends the output instead.
    """

    stdin: bool = True
    tty: bool = False
    resize: Resize | None = None
    forward: Forward | None = None
    detach_keys: str = DEFAULT
    sends_end: bool = True

    async def run(self, stream: Hijacked) -> bool:
        """Until the other side ends its stream; False if the detach keys left it running.

        Raises Ended for a signal that ends this process.
        """
        keys = DetachKeys(parse_keys(self.detach_keys) if self.tty else b"")
        ended: list[int] = []
        async with anyio.create_task_group() as tasks:
            if self.stdin:
                tasks.start_soon(self.send_stdin, stream, keys, tasks.cancel_scope)
            if self.resize is not None and self.tty:
                tasks.start_soon(follow_size, self.resize)
            if self.forward is not None and not self.tty:
                tasks.start_soon(forward_signals, self.forward)
            elif self.tty:
                tasks.start_soon(note_end, ended, tasks.cancel_scope)
            await write_output(stream)
            tasks.cancel_scope.cancel()
        if ended:
            raise Ended(ended[0])
        return not keys.found

    async def send_stdin(self, stream: Hijacked, keys: DetachKeys, scope: anyio.CancelScope) -> None:
        """All of standard input, then its end; that the other side is gone is seen by its output."""
        try:
            async for piece in pieces_of(sys.stdin.fileno()):
                if typed := keys.feed(piece):
                    await stream.send(typed)
                if keys.found:
                    scope.cancel()
                    return
            if self.tty:
                # with a terminal, too, engines end the output; only the key that means the end does no harm
                await stream.send(END_OF_INPUT)
            elif self.sends_end:
                await stream.send_eof()
        except (Unavailable, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return


async def write_output(stream: Hijacked) -> None:
    async for frame in stream:
        write((sys.stderr if frame.stream is Stream.STDERR else sys.stdout).buffer, frame.data)


async def pieces_of(fd: int) -> AsyncIterator[bytes]:
    """What comes from a descriptor, without a thread that nobody could end."""
    while True:
        try:
            await anyio.wait_readable(fd)
        except OSError:
            # a file or /dev/null: it can't be waited for, and never makes anybody wait
            await anyio.lowlevel.checkpoint()
        try:
            piece = os.read(fd, CHUNK)
        except OSError:
            # the terminal was taken away
            return
        if not piece:
            return
        yield piece


async def follow_size(resize: Resize) -> None:
    """The size now and after each change; the process may need a moment before it can be told."""
    with anyio.open_signal_receiver(signal.SIGWINCH) as changes:
        for pause in (0.0, 0.01, 0.05, 0.2):
            await anyio.sleep(pause)
            if await told_size(resize):
                break
        async for _ in changes:
            await told_size(resize)


async def told_size(resize: Resize) -> bool:
    width, height = os.get_terminal_size(sys.stdout.fileno())
    try:
        await resize(height, width)
    except EngineError:
        return False
    return True


async def forward_signals(forward: Forward) -> None:
    with anyio.open_signal_receiver(*FORWARDED) as signals:
        async for number in signals:
            try:
                await forward(number.name)
            except EngineError:
                # it has ended meanwhile
                continue


async def note_end(ended: list[int], scope: anyio.CancelScope) -> None:
    """In raw mode Ctrl-C is a key; a SIGTERM from outside must still leave the terminal as it was."""
    with anyio.open_signal_receiver(*FATAL) as signals:
        async for number in signals:
            ended.append(int(number))
            scope.cancel()
            return
