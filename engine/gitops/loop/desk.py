"""What a look at a project needs at hand, and the words in which it leaves a state behind."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio

from engine.client.errors import Unavailable
from engine.client.session import Engine
from engine.gitops.bus import Bus
from engine.gitops.engines import Engines
from engine.gitops.loading import Stamps, files_beside, load_project, settle_paths, stamp_of
from engine.gitops.loop.roster import Roster, Target
from engine.gitops.places import Places
from engine.gitops.settings.models import EngineChoice
from engine.gitops.sources.source import GitSource
from engine.gitops.state.project import ProjectState
from engine.gitops.state.store import Store
from engine.gitops.tell.redaction import redacted, secret_values
from engine.kit.beside import beside
from engine.kit.clock import Clock
from engine.ledger.release import Release
from engine.plan.options import PlanOptions
from specs.models import Project
from specs.node import Node

# Who waits for health asks for it twice a second, container by container.
MOST_WAITING = 32


@dataclass(frozen=True, slots=True)
class Ready:
    """A project of one revision, its paths settled; `objects` are git's objects that it mounts, `secrets` are values
    that no word of ours may hold; `root` is what its files say; `beside` is how the files of variables were that lie
    outside of the revision. Where it comes out of the ledger, from `release`, `options` are what to plan it with, and
    `notes` say what can't be as it was.
    """

    project: Project
    objects: tuple[str, ...] = ()
    secrets: frozenset[str] = frozenset()
    root: Node | None = None
    beside: Stamps = ()
    release: Release | None = None
    options: PlanOptions | None = None
    notes: tuple[str, ...] = ()

    def still_fits(self) -> bool:
        return self.beside == tuple(stamp_of(path) for path, *_ in self.beside)


@dataclass(slots=True)
class Desk:
    """`states` are all projects that are known, those that left their source included."""

    store: Store
    bus: Bus
    engines: Engines
    places: Places
    clock: Clock
    roster: Roster = field(default_factory=Roster)
    states: dict[str, ProjectState] = field(default_factory=dict)
    stopping: anyio.Event = field(default_factory=anyio.Event)
    parallel_steps: int = 8
    # How many projects are worked on at a time.
    slots: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(4))
    waiting: int = 0
    # This machine's state: the ledger and the locks of all that write from here.
    folder: Path = Path("/var/lib/rorqual")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    loaded: dict[str, tuple[str, object, Ready]] = field(default_factory=dict)
    # How many are being loaded: what they use is known to nobody yet.
    loading: int = 0
    # Key → the ids of the project's containers when it was last looked at: events of networks name nothing else.
    containers: dict[str, frozenset[str]] = field(default_factory=dict)

    def state_of(self, target: Target) -> ProjectState:
        known = self.states.get(target.key)
        if known is None:
            known = ProjectState(target.key, target.source.settings.name)
            self.states[target.key] = known
        return known

    async def ready(self, target: Target, revision: str) -> Ready:
        """The project at that revision; what was loaded last is kept. Raises SpecInvalid, SourceFault."""
        known = self.loaded.get(target.key)
        if known is not None and known[:2] == (revision, target.settings) and known[2].still_fits():
            return known[2]
        self.loading += 1
        try:
            return await self.loaded_anew(target, revision)
        finally:
            self.loading -= 1

    async def loaded_anew(self, target: Target, revision: str) -> Ready:
        tree = target.tree if revision == target.revision else await target.source.at(revision)
        loaded = load_project(target.settings, tree.folder)
        project = loaded.project
        assert project is not None  # load_project raises where there is none
        objects: list[str] = []
        if tree.checkout is not None and isinstance(target.source, GitSource):
            git = target.source.mirror.git
            data = self.places.data(target.key)
            objects = await settle_paths(project, target.settings, tree.checkout, git, self.places.objects, data)
        beside = tuple(map(stamp_of, files_beside(project, target.settings, tree.folder)))
        ready = Ready(project, tuple(objects), frozenset(secret_values(project)), loaded.root, beside)
        self.loaded[target.key] = (revision, target.settings, ready)
        return ready

    @asynccontextmanager
    async def aside(self, *, idle: bool = False) -> AsyncIterator[None]:
        """Let another project go on meanwhile: what only waits may take long. Unless it is `idle` it is some work, and
        of those there are only so many: who comes then is counted as any other.
        """
        if not idle and self.waiting >= MOST_WAITING:
            yield
            return
        self.waiting += not idle
        self.slots.release()
        try:
            yield
        finally:
            self.waiting -= not idle
            with anyio.CancelScope(shield=True):
                await self.slots.acquire()

    @asynccontextmanager
    async def reached(self, choice: EngineChoice) -> AsyncIterator[Engine]:
        """The engine for a block, which ends when it answers no more. Raises EngineError."""
        if choice not in self.engines.known:
            # one that takes a call and never answers is nobody else's matter, and can't keep us from ending
            async with self.aside(idle=True):
                await until_either(partial(self.engines.get, choice), self.stopping)
        async with self.engines.watched(choice) as engine:
            yield engine

    def tell(self, state: ProjectState, kind: str, text: str, revision: str = "") -> None:
        """Of the newest revision, where no other is meant."""
        self.bus.tell(kind, state.key, revision or state.target, self.redacted(state.key, text))

    def redacted(self, key: str, text: str) -> str:
        """What logs and probes said, without the project's secrets."""
        known = self.loaded.get(key)
        return redacted(text, known[2].secrets if known is not None else ())


async def until_either(work: Callable[[], Awaitable[object]], stopping: anyio.Event) -> None:
    """Do the work; once `stopping` is set leave it. Raises what it raises, and Unavailable where it was left."""
    ended = False

    async def leave(scope: anyio.CancelScope) -> None:
        await stopping.wait()
        scope.cancel()

    async with beside(leave):
        await work()
        ended = True
    if not ended:
        raise Unavailable("the agent is about to end")
