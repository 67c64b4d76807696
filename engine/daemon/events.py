"""The event bus: what happened, told to everybody who listens, the latest kept for who asks later.

A listener that falls behind by more than `LONGEST_QUEUE` is ended rather than waited for. Source: Engine API, /events.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, cast

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from engine.api.system import Event, EventActor
from engine.daemon.protocols import Filters
from engine.kit.clock import Clock
from engine.kit.files import atomic_write

KEPT = 4096
LONGEST_QUEUE = 10_000
OLD_KINDS = {"container", "image"}


class EventLog:
    """The kept events on the disk, a line each: asked for after a restart too. Never longer than twice what is kept.

    What can't be written (a full disk) is not kept, and hinders nobody.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0
        self._file: BinaryIO | None = None

    def read(self) -> list[Event]:
        """The latest; a line that a crash cut off is left out."""
        found: list[Event] = []
        with contextlib.suppress(OSError):
            for line in self._path.read_bytes().splitlines()[-KEPT:]:
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict) and isinstance(event.get("timeNano"), int):
                        found.append(cast(Event, event))
        self._rewrite(found)
        return found

    def append(self, event: Event, kept: Iterable[Event]) -> None:
        if self._lines >= 2 * KEPT:
            self._rewrite(kept)
            return
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = self._path.open("ab", buffering=0)
            self._file.write(line_of(event))
            self._lines += 1

    def _rewrite(self, kept: Iterable[Event]) -> None:
        lines = [line_of(event) for event in kept]
        if self._file is not None:
            self._file.close()
            self._file = None
        with contextlib.suppress(OSError):
            atomic_write(self._path, b"".join(lines), mode=0o600)
        self._lines = len(lines)


def line_of(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


class EventBus:
    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        """`path`: where the latest events are kept over a restart; None keeps them in memory."""
        self._clock = clock
        self._log = EventLog(path) if path is not None else None
        self._kept: deque[Event] = deque(self._log.read() if self._log is not None else (), maxlen=KEPT)
        self._listeners: set[MemoryObjectSendStream[Event]] = set()

    def publish(self, kind: str, action: str, id: str, attributes: Mapping[str, str] | None = None) -> None:
        event = event_of(kind, action, id, dict(attributes or {}), self._clock.now())
        self._kept.append(event)
        if self._log is not None:
            self._log.append(event, self._kept)
        for listener in tuple(self._listeners):
            try:
                listener.send_nowait(event)
            except anyio.WouldBlock:
                self._listeners.discard(listener)
                listener.close()
            except anyio.BrokenResourceError:
                self._listeners.discard(listener)

    @asynccontextmanager
    async def subscribe(
        self, filters: Filters | None = None, *, since: float | None = None, until: float | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        send, receive = anyio.create_memory_object_stream[Event](LONGEST_QUEUE)
        kept = [] if since is None else [event for event in self._kept if event["timeNano"] >= since * 1e9]
        self._listeners.add(send)
        try:
            yield self._events(kept, receive, filters or {}, until)
        finally:
            self._listeners.discard(send)
            send.close()
            receive.close()

    async def _events(
        self, kept: Sequence[Event], come: MemoryObjectReceiveStream[Event], filters: Filters, until: float | None
    ) -> AsyncIterator[Event]:
        last = math.inf if until is None else until * 1e9
        for event in kept:
            if event["timeNano"] <= last and matches(event, filters):
                yield event
        while (left := math.inf if until is None else until - self._clock.now()) > 0:
            event_or_none: Event | None = None
            with anyio.move_on_after(left):
                try:
                    event_or_none = await come.receive()
                except anyio.EndOfStream:
                    return
            if event_or_none is not None and matches(event_or_none, filters):
                yield event_or_none


def event_of(kind: str, action: str, id: str, attributes: dict[str, str], now: float) -> Event:
    """Old fields (status, id, from) beside the new ones, where Docker has them."""
    nanoseconds = int(now * 1e9)
    actor: EventActor = {"ID": id, "Attributes": attributes}
    event: Event = {"Type": kind, "Action": action, "Actor": actor, "scope": "local"}
    event["time"], event["timeNano"] = nanoseconds // 1_000_000_000, nanoseconds
    if kind in OLD_KINDS:
        event["status"], event["id"] = action, id
        if kind == "container":
            event["from"] = attributes.get("image", "")  # type: ignore[typeddict-unknown-key]  # a word of Python
    return event


def matches(event: Event, filters: Filters) -> bool:
    return all(any(fits(event, name, value) for value in values) for name, values in filters.items() if values)


def fits(event: Event, name: str, value: str) -> bool:
    kind, actor = event["Type"], event["Actor"]
    attributes = actor.get("Attributes") or {}
    if name == "event":
        # "exec_start: sh -c …" is found as exec_start
        return event["Action"] == value or event["Action"].partition(":")[0] == value
    if name == "type":
        return kind == value
    if name == "scope":
        return event["scope"] == value
    if name == "label":
        key, equals, wanted = value.partition("=")
        return key in attributes and (not equals or attributes[key] == wanted)
    if name == "image":
        names = {actor["ID"], attributes.get("name", "")} if kind == "image" else {attributes.get("image", "")}
        return value in names or value in {known.partition(":")[0] for known in names}
    if kind != name:
        return False
    if name == "container":
        return actor["ID"].startswith(value) or attributes.get("name") == value.removeprefix("/")
    return value in {actor["ID"], attributes.get("name", "")} or (name == "network" and actor["ID"].startswith(value))
