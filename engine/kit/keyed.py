"""A queue of keys, each at most once in it and never worked on twice at a time: for loops that are told where to look,
not what happened. What is added while its key is worked on comes after.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

import anyio

from engine.kit.clock import Clock, SystemClock

K = TypeVar("K", bound=Hashable)


class KeyedQueue(Generic[K]):
    """Keys with the time at which each is due; of two times for one key the earlier counts."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._due: dict[K, float] = {}
        self._busy: set[K] = set()
        self._changed = anyio.Event()

    def add(self, key: K, *, delay_seconds: float = 0.0) -> None:
        due = self._clock.monotonic() + delay_seconds
        if key not in self._due or due < self._due[key]:
            self._due[key] = due
            self._wake()

    def discard(self, key: K) -> None:
        self._due.pop(key, None)

    async def take(self) -> K:
        """The key that has been due for the longest and that nobody works on; it is the caller's until `done`."""
        while True:
            changed = self._changed
            ready = [(due, key) for key, due in self._due.items() if key not in self._busy]
            if ready:
                due, key = min(ready, key=lambda each: each[0])
                wait = due - self._clock.monotonic()
                if wait <= 0:
                    del self._due[key]
                    self._busy.add(key)
                    return key
                with anyio.move_on_after(wait):
                    await changed.wait()
            else:
                await changed.wait()

    def done(self, key: K) -> None:
        self._busy.discard(key)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def idle(self) -> None:
        """Until nobody works on any key."""
        while self._busy:
            await self._changed.wait()

    @property
    def busy(self) -> frozenset[K]:
        return frozenset(self._busy)

    def __len__(self) -> int:
        return len(self._due)
