"""One project on one engine: observed, planned with all that this machine adds, carried out. Asks nobody, shows nothing
by itself; called by the command line (cli.converge) and by the loop (gitops).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import anyio

from engine.client.session import Engine
from engine.graph.address import Address, Kind
from engine.graph.dockerfiles import image_bases
from engine.plan.draft import Draft
from engine.plan.lower.containers import shared_hash
from engine.plan.lower.naming import Naming
from engine.plan.make import make_plan
from engine.plan.observed import Observed
from engine.plan.options import PlanOptions
from engine.plan.steps import BuildImage, Plan, PullImage, PushImage, WaitFor
from engine.reconcile.contents import Sealer, read_contents, read_profiles, read_sealer, state_directory
from engine.reconcile.observe import observe
from engine.reconcile.outcome import Progress, Report
from specs.models import Project

if TYPE_CHECKING:
    from engine.builders.build import BuildOptions


@dataclass
class Convergence:
    """`separator` stands between the parts of names; `environment` says where this machine's state lies."""

    engine: Engine
    project: Project
    separator: str = "-"
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @cached_property
    def sealer(self) -> Sealer:
        return read_sealer(state_directory(self.environment))

    def completed(self, options: PlanOptions) -> PlanOptions:
        """The options with what this machine adds to them: time, contents, seal, names."""
        return options._replace(
            separator=self.separator,
            now=time.time(),
            contents=read_contents(self.project, self.sealer),
            profiles=read_profiles(self.project),
            image_keys={} if options.images_settled else self.image_keys(),
            image_bases={} if options.images_settled else image_bases(self.project),
            seal=self.sealer.seal,
        )

    def image_keys(self) -> Mapping[str, str]:
        if not self.project.images:
            return {}
        # late: only a project with images of its own needs the builders to plan
        from engine.reconcile.images import image_keys

        return image_keys(self.project, Naming(self.project.name, self.separator))

    async def observe(self) -> Observed:
        return await observe(self.engine.reader, self.project.name, self.project, self.separator)

    def plan(self, options: PlanOptions, observed: Observed) -> Plan:
        return make_plan(self.project, observed, self.completed(options))

    def settling(self, keys: Iterable[str], timeout_seconds: float | None, observed: Observed, because: str) -> Plan:
        """The plan that waits until every container of these services runs, is healthy where it is checked, or has
        done its work.
        """
        draft, wanted = Draft(), set(keys)
        for container in observed.containers:
            if container.service in wanted and not container.oneoff:
                address = Address(Kind.SERVICE, container.service, container.number)
                draft.add(address, WaitFor(container.name, "settled", timeout_seconds=timeout_seconds), because)
        return Plan(self.project.name, observed.engine, tuple(draft.steps))

    async def run(
        self,
        plan: Plan,
        progress: Progress,
        *,
        limit: int,
        warn: Callable[[Address, str], None],
        stopping: anyio.Event | None = None,
        build: BuildOptions | None = None,
        quiet: frozenset[str] = frozenset(),
    ) -> Report:
        """Carry the plan out, at most `limit` effects at a time; nothing new starts once `stopping` is set.

        `warn` hears what the engine could not honour of a container; `quiet` are words of steps whose own output is
        not shown. Never raises for a step's failure.
        """
        # late: a plan that is empty needs none of these, and they take a fifth of a second
        from engine.builders.build import BuildOptions
        from engine.reconcile.apply import apply
        from engine.reconcile.effects import Effects
        from engine.reconcile.images import image_maker

        effects = Effects(
            self.engine,
            seal=self.sealer.seal,
            make_image=image_maker(
                self.engine, self.project, options=build or BuildOptions(), separator=self.separator
            ),
            say=lambda step, *line: None if step.word in quiet else progress.line(step, *line),
            hash_shared=lambda key, ids: shared_hash(self.project, key, ids),
            warn=warn,
        )
        return await apply(plan, effects, progress, limit=limit, stopping=stopping)


def image_steps(plan: Plan) -> Plan:
    """The part of a plan that pulls, builds and pushes: what the rest depends on."""
    return plan._replace(steps=tuple(s for s in plan.steps if isinstance(s.action, PullImage | BuildImage | PushImage)))
