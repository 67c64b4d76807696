"""A source followed: looked at by interval and when poked, its projects put on the roster, its faults told once."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from engine.client.errors import EngineError
from engine.gitops.bus import Bus
from engine.gitops.sources.faults import SourceFault
from engine.gitops.sources.source import Source
from engine.gitops.sources.tree import Tree
from engine.kit.backoff import Backoff
from engine.kit.clock import Clock
from specs.source import SpecInvalid

RETRY = Backoff(first=1.0, factor=2.0, longest=300.0)
# Of an interval, so that many sources don't knock at one host at once.
JITTER = 0.1


@dataclass(slots=True)
class Following:
    """`adopt` takes a tree that is new; `error` is what is wrong with the source now."""

    source: Source
    bus: Bus
    clock: Clock
    adopt: Callable[[Source, Tree], Awaitable[None]]
    error: str = ""
    revision: str = ""
    subject: str = ""
    checked_at: float = 0.0
    poked: anyio.Event = field(default_factory=anyio.Event)
    looked: anyio.Event = field(default_factory=anyio.Event)

    @property
    def name(self) -> str:
        return self.source.settings.name

    def poke(self) -> None:
        """Look now; pokes while it looks make one more look."""
        self.poked.set()

    async def run(self) -> None:
        delays = RETRY.delays()
        opened = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.watch)
            while True:
                self.poked = anyio.Event()
                try:
                    if not opened:
                        await self.source.open()
                        opened = True
                    await self.look()
                except Exception as error:
                    # whatever is wrong with one source (or with us) must not end the others
                    self.fault(words(error))
                    await self.wait(next(delays))
                    continue
                delays = RETRY.delays()
                await self.wait(next(Backoff(self.source.settings.interval_seconds, 1, 1e9, JITTER).delays()))

    async def look(self) -> None:
        tree = await self.source.look()
        self.checked_at = self.clock.now()
        if tree.revision != self.revision or self.error:
            await self.adopt(self.source, tree)
            self.revision, self.subject = tree.revision, tree.subject
        if self.error:
            self.bus.tell("source-recovered", "", tree.revision, f"source {self.name} can be read again")
            self.error = ""
        self.looked.set()

    def fault(self, text: str) -> None:
        self.checked_at = self.clock.now()
        if text != self.error:
            self.bus.tell("source-failed", "", self.revision, f"source {self.name}: {text}")
        self.error = text
        self.looked.set()

    async def wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.poked.wait()

    async def watch(self) -> None:
        """A folder tells when it changes; where watching fails the interval still looks."""
        delays = RETRY.delays()
        while True:
            try:
                async for _ in self.source.changes():
                    self.poke()
            except (OSError, RuntimeError):
                pass
            await anyio.sleep(next(delays))


def words(error: Exception) -> str:
    if isinstance(error, SourceFault):
        return error.message
    if isinstance(error, SpecInvalid):
        return error.brief
    if isinstance(error, OSError | EngineError):
        return str(error)
    traceback.print_exception(error)
    return f"internal error: {error!r}"
