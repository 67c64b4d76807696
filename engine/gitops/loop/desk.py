"""What a look at a project needs at hand, and the words in which it leaves a state behind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from engine.gitops.bus import Bus
from engine.gitops.engines import Engines
from engine.gitops.loading import load_project, settle_paths
from engine.gitops.loop.roster import Roster, Target
from engine.gitops.places import Places
from engine.gitops.sources.source import GitSource
from engine.gitops.state.project import ProjectState
from engine.gitops.state.store import Store
from engine.gitops.tell.redaction import redacted, secret_values
from engine.kit.clock import Clock
from engine.ledger.release import Release
from engine.plan.options import PlanOptions
from specs.models import Project


@dataclass(frozen=True, slots=True)
class Ready:
    """A project of one revision, its paths settled; `objects` are git's objects that it mounts, `secrets` are values
    that no word of ours may hold. Where it comes out of the ledger, from `release`, `options` are what to plan it
    with, and `notes` say what can't be as it was.
    """

    project: Project
    objects: tuple[str, ...] = ()
    secrets: frozenset[str] = frozenset()
    release: Release | None = None
    options: PlanOptions | None = None
    notes: tuple[str, ...] = ()


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
    # This machine's state: the ledger and the locks of all that write from here.
    folder: Path = Path("/var/lib/rorqual")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    loaded: dict[str, tuple[str, object, Ready]] = field(default_factory=dict)

    def state_of(self, target: Target) -> ProjectState:
        known = self.states.get(target.key)
        if known is None:
            known = ProjectState(target.key, target.source.settings.name)
            self.states[target.key] = known
        return known

    async def ready(self, target: Target, revision: str) -> Ready:
        """The project at that revision; what was loaded last is kept. Raises SpecInvalid, SourceFault."""
        known = self.loaded.get(target.key)
        if known is not None and known[:2] == (revision, target.settings):
            return known[2]
        tree = target.tree if revision == target.revision else await target.source.at(revision)
        loaded = load_project(target.settings, tree.folder)
        project = loaded.project
        assert project is not None  # load_project raises where there is none
        objects: list[str] = []
        if tree.checkout is not None and isinstance(target.source, GitSource):
            git = target.source.mirror.git
            data = self.places.data(target.key)
            objects = await settle_paths(project, target.settings, tree.checkout, git, self.places.objects, data)
        ready = Ready(project, tuple(objects), frozenset(secret_values(project)))
        self.loaded[target.key] = (revision, target.settings, ready)
        return ready

    def tell(self, state: ProjectState, kind: str, text: str) -> None:
        self.bus.tell(kind, state.key, state.target, self.redacted(state.key, text))

    def redacted(self, key: str, text: str) -> str:
        """What logs and probes said, without the project's secrets."""
        known = self.loaded.get(key)
        return redacted(text, known[2].secrets if known is not None else ())
