"""How many containers an engine is asked to end at once: those it works on; the ones that take their time just wait."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

# Twenty stops at once keep dockerd from its own removals: five at a time are down sooner (docs/benchmarks.md).
AT_ONCE = 5
# The engine's own part of a stop. What lasts longer waits for a process that was told to end, up to its grace period.
WORK_SECONDS = 0.25


class Pace:
    """Places for stops and removals, by this machine's processors. Whoever stays longer than `work_seconds` gives its
    place away and goes on without: containers that let their grace period pass don't hold up the others.
    """

    def __init__(self, at_once: int | None = None, work_seconds: float = WORK_SECONDS) -> None:
        self.places = anyio.CapacityLimiter(at_once or max(AT_ONCE, 2 * (os.cpu_count() or 1)))
        self.work_seconds = work_seconds

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        guest = object()
        await self.places.acquire_on_behalf_of(guest)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.leave, guest)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def leave(self, guest: object) -> None:
        """When its time is up or its work is done, whichever is first."""
        try:
            await anyio.sleep(self.work_seconds)
        finally:
            self.places.release_on_behalf_of(guest)
