"""One project on one engine: observed, planned with all that this machine adds, carried out. Asks nobody, shows nothing
by itself; called by the command line (cli.converge) and by the loop (gitops).
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from engine.api.errors import SystemFailure
from engine.client.session import Engine
from engine.graph.address import Address, Kind
from engine.graph.dockerfiles import image_bases
from engine.plan.draft import Draft
from engine.plan.ignored import ignored_of
from engine.plan.images import content_of
from engine.plan.lower.containers import shared_hash
from engine.plan.lower.naming import Naming
from engine.plan.make import make_plan
from engine.plan.observed import Observed
from engine.plan.options import PlanOptions
from engine.plan.providers import has_providers, standing_variables, with_answers
from engine.plan.steps import BuildImage, Plan, PullImage, PushImage, RunProvider, WaitFor
from engine.reconcile.contents import Sealer, read_contents, read_profiles, read_sealer, state_directory
from engine.reconcile.observe import observe
from engine.reconcile.outcome import Progress, Report
from engine.reconcile.verified import remember_verified, verified_images
from specs.models import Project

if TYPE_CHECKING:
    from engine.builders.build import BuildOptions
    from engine.reconcile.effects import Say
    from engine.reconcile.turn import Turn


# (reference, file of the public key) → the digest that the reference stands for and that is signed
Signed: TypeAlias = Callable[[str, str], Awaitable[str]]


@dataclass
class Convergence:
    """`separator` stands between the parts of names; `environment` says where this machine's state lies. In a `turn`
    the project's lock is held while it is written to, and what is done becomes a release. `written` is the project
    without what flags of this run change in its builds: what they make is marked as made from that. `signed` looks for
    signatures at registries.
    """

    engine: Engine
    project: Project
    separator: str = "-"
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    turn: Turn | None = None
    written: Project | None = None
    signed: Signed | None = None
    # What the providers of this run have answered, by service.
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    # By reference, of images that the engine had when it was last observed.
    image_ids: dict[str, str] = field(default_factory=dict)

    @cached_property
    def sealer(self) -> Sealer:
        return read_sealer(state_directory(self.environment))

    def completed(self, options: PlanOptions, observed: Observed) -> PlanOptions:
        """The options with what this machine adds to them: time, contents, seal, names."""
        whole = completed(self.project, options, self.sealer, self.separator, observed)
        return whole._replace(verified=verified_images(state_directory(self.environment), self.project))

    async def observe(self) -> Observed:
        observed = await observe(self.engine.reader, self.project.name, self.project, self.separator)
        self.image_ids = {reference: image["Id"] for reference, image in observed.images.items() if image is not None}
        return observed

    def last_applied(self, observed: Observed) -> Mapping[str, Mapping[str, Any]]:
        """What releases last applied to fields that can change in place, by container id."""
        # late: only drift, and who ignores some of it, asks the ledger
        from engine.reconcile.remembered import last_applied

        return last_applied(state_directory(self.environment), observed.engine.id, self.project.name)

    def plan(self, options: PlanOptions, observed: Observed) -> Plan:
        if ignored_of(self.project) and not options.applied:
            options = options._replace(applied=self.last_applied(observed))
        if has_providers(self.project, self.project.services):
            standing = standing_variables(self.project, observed)
            options = options._replace(provided=with_answers(self.project, standing, self.answers))
        return make_plan(self.project, observed, self.completed(options, observed))

    async def verify(self, reference: str, key: str) -> str:
        """The digest that the reference stands for, seen to be signed. Raises EngineError."""
        if self.signed is None:
            raise SystemFailure(f"{reference} must be signed, and nobody here can look for signatures")
        return await self.signed(reference, key)

    def remember_verified(self, image_id: str, key: str) -> None:
        remember_verified(state_directory(self.environment), Path(key), image_id)

    async def take(self, plan: Plan, observed: Observed) -> bool:
        """Take the turn's lock where there is something to write; True where the plan must be made again, since the
        host moved after it was observed.
        """
        return self.turn is not None and not plan.empty and await self.turn.take(observed)

    def hide(self, text: str) -> str:
        """The text without a sensitive value of the project."""
        # late: only a failure has words of others in it
        from engine.plan.sensitive import hider, sensitive_values
        from engine.reconcile.files import read_files

        files = read_files(self.project, self.sealer).values()
        texts = [file.data.decode(errors="replace").strip() for file in files if file.sensitive]
        return hider({*sensitive_values(self.project), *texts})(text)

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
        strict: bool = True,
        warn: Callable[[Address, str], None],
        stopping: anyio.Event | None = None,
        build: BuildOptions | None = None,
        quiet: frozenset[str] = frozenset(),
    ) -> Report:
        """Carry the plan out, at most `limit` effects at a time (more stops, unless `strict`); nothing new starts once
        `stopping` is set.

        `warn` hears what the engine could not honour of a container; `quiet` are words of steps whose own output is
        not shown. Never raises for a step's failure.
        """
        # late: a plan that is empty needs none of these
        from engine.reconcile.apply import apply
        from engine.reconcile.effects import Effects

        async def make_image(action: BuildImage, say: Say) -> None:
            # late: only a plan that builds needs the builders
            from engine.builders.build import BuildOptions
            from engine.reconcile.images import image_maker

            maker = image_maker(
                self.engine,
                self.project,
                options=build or BuildOptions(),
                separator=self.separator,
                written=self.written,
            )
            await maker(action, say)

        async def provide(action: RunProvider, say: Say) -> None:
            # late: few projects have providers
            from engine.reconcile.providers import run_provider

            variables = self.project.environment | {"COMPOSE_PROJECT_NAME": self.project.name}
            self.answers[action.service] = await run_provider(
                action, self.project.name, variables, say=lambda text: say(text, None, None)
            )

        effects = Effects(
            self.engine,
            seal=self.sealer.seal,
            make_image=make_image,
            provide=provide,
            say=lambda step, *line: None if step.word in quiet else progress.line(step, *line),
            image_ids=self.image_ids,
            hash_shared=lambda key, ids: shared_hash(self.project, key, ids),
            warn=lambda address, text: warn(address, self.hide(text)),
            verify=self.verify,
            verified=self.remember_verified,
        )
        if self.turn is not None and self.turn.recorder is not None:
            # late: as above
            from engine.reconcile.recording import Recording

            await self.turn.recorder.expect(plan)
            progress = Recording(progress, self.turn.recorder)
        return await apply(plan, effects, progress, limit=limit, strict=strict, stopping=stopping, hide=self.hide)


def first_steps(plan: Plan) -> Plan:
    """The part of a plan that pulls, builds and pushes, and asks providers: what the rest is planned by."""
    first = PullImage | BuildImage | PushImage | RunProvider
    kept = [step for step in plan.steps if isinstance(step.action, first)]
    ids = frozenset(step.id for step in kept)
    return plan._replace(steps=tuple(step._replace(needs=step.needs & ids) for step in kept))


def completed(
    project: Project, options: PlanOptions, sealer: Sealer, separator: str, observed: Observed | None = None
) -> PlanOptions:
    """The options with what this machine adds to them: time, contents, seal, names.

    The sources of images are read where `observed` has an image that says what it was made from.
    """
    return options._replace(
        separator=separator,
        now=time.time(),
        contents=read_contents(project, sealer),
        profiles=read_profiles(project),
        image_keys={} if options.images_settled or observed is None else keys_of_images(project, separator, observed),
        image_bases={} if options.images_settled else image_bases(project),
        seal=sealer.seal,
    )


def keys_of_images(project: Project, separator: str, observed: Observed) -> Mapping[str, str]:
    marked = {reference for reference, image in observed.images.items() if content_of(image) is not None}
    if not marked:
        return {}
    # late: only a project with images of its own needs the builders to plan
    from engine.reconcile.images import image_keys

    return image_keys(project, Naming(project.name, separator), marked)
