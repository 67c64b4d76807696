"""Events on their way: kept in the store, and given to who listens just now. A slow listener loses, never delays."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from engine.gitops.state.store import Event, StateFault, Store
from engine.kit.clock import Clock

WAITING_EVENTS = 1000


@dataclass(slots=True)
class Bus:
    store: Store
    clock: Clock
    counts: Counter[str] = field(default_factory=Counter)
    listeners: list[MemoryObjectSendStream[Event]] = field(default_factory=list)

    def tell(self, kind: str, project: str, revision: str, text: str) -> None:
        """Never raises: what can't be kept is told all the same."""
        now = self.clock.now()
        self.counts[kind] += 1
        try:
            event = self.store.add_event(now, kind, project, revision, text)
        except StateFault:
            event = Event(0, now, kind, project, revision, text)
        for listener in list(self.listeners):
            try:
                listener.send_nowait(event)
            except (anyio.WouldBlock, anyio.BrokenResourceError):
                continue

    @contextmanager
    def listening(self) -> Iterator[AsyncIterator[Event]]:
        send, receive = anyio.create_memory_object_stream[Event](WAITING_EVENTS)
        self.listeners.append(send)
        try:
            yield receive
        finally:
            self.listeners.remove(send)
            send.close()
            receive.close()
