"""attach: a client's stream joined to a container's, before its start or while it runs, with the log first if asked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio

from engine.api.errors import Conflict
from engine.api.frames import Frame, encode
from engine.daemon.containers.logs import Logs
from engine.daemon.containers.logtext import Wanted
from engine.daemon.containers.phase import Phase
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry
from engine.daemon.containers.streams import Emit, Joining, join
from engine.daemon.runtime.attachment import Attachment
from engine.http.upgraded import Upgraded

TakeOver = Callable[[], AbstractAsyncContextManager[Upgraded]]


@dataclass(frozen=True, slots=True)
class AttachEnds:
    attachment: Attachment

    async def copy_output(self, emit: Emit) -> None:
        while (frame := await self.attachment.receive()) is not None:
            await emit(frame)

    async def send(self, content: bytes) -> bool:
        return await self.attachment.send(content)

    def send_eof(self) -> None:
        self.attachment.send_eof()


@dataclass(frozen=True, slots=True)
class AttachOptions:
    stdin: bool
    stdout: bool
    stderr: bool
    stream: bool
    logs: bool
    keys: bytes
    # Without frames, as a terminal's stream, whatever the container.
    raw: bool = False


class Place:
    """Where a start leaves the attachment of who came before it."""

    def __init__(self) -> None:
        self.got: Attachment | None = None
        self._ready = anyio.Event()

    def give(self, attachment: Attachment | None) -> None:
        self.got = attachment
        self._ready.set()

    async def wait(self) -> Attachment | None:
        await self._ready.wait()
        return self.got


class Attaching:
    def __init__(self, rooms: Rooms, logs: Logs) -> None:
        self._rooms = rooms
        self._logs = logs

    def check(self, entry: Entry) -> None:
        """Raises Conflict, before the stream is taken over."""
        if entry.phase is Phase.PAUSED:
            raise Conflict(f"Container {entry.id} is paused, unpause the container before attach")
        if entry.phase is Phase.RESTARTING:
            raise Conflict(f"Container {entry.id} is restarting, wait until the container is running before attach")

    async def attach(self, entry: Entry, take_over: TakeOver, options: AttachOptions) -> None:
        """Until the process ends or the client leaves.

        It is attached before the client hears so: a start that follows at once loses nothing.
        """
        self.check(entry)
        if options.logs:
            self._logs.check(entry)
        place = Place()
        if options.stream:
            if entry.phase.alive:
                place.give(self._rooms.runtime.attach(entry.id))
            else:
                entry.waiting.append(place.give)
        try:
            async with take_over() as client:
                self._rooms.tell(entry, "attach")
                if options.logs:
                    await self._send_log(entry, client, options)
                if options.stream and (attachment := await place.wait()) is not None:
                    await self._stream(entry, client, options, attachment)
        finally:
            if place.give in entry.waiting:
                entry.waiting.remove(place.give)
            if place.got is not None:
                place.got.close()

    async def _stream(self, entry: Entry, client: Upgraded, options: AttachOptions, attachment: Attachment) -> None:
        config = entry.container.config
        how = Joining(
            raw=entry.container.tty or options.raw,
            stdin=options.stdin and bool(config.get("OpenStdin")),
            stdout=options.stdout,
            stderr=options.stderr,
            keys=options.keys if entry.container.tty and options.stdin else None,
            input_ends=bool(config.get("StdinOnce")) and not entry.container.tty,
        )
        if await join(client, AttachEnds(attachment), how):
            self._rooms.tell(entry, "detach")

    async def _send_log(self, entry: Entry, client: Upgraded, options: AttachOptions) -> None:
        wanted = Wanted(stdout=options.stdout, stderr=options.stderr)

        async def emit(frames: list[Frame]) -> None:
            for frame in frames:
                await client.send(frame.data if entry.container.tty or options.raw else encode(frame))

        await self._logs.copy(entry, wanted, emit)
