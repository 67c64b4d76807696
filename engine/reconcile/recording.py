"""A release while it is made: recorded before the first write, its steps as they end, and at the end what stands.

The ledger is memory, not state: where it can't be written, the host is converged all the same, and it is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.api.errors import EngineError
from engine.client.session import Engine
from engine.kit.owner import this_process
from engine.ledger.release import Commit, Intent, Key, Release, State, StepOutcome
from engine.plan.options import PlanOptions
from engine.plan.order import select
from engine.plan.render.document import plan_document
from engine.plan.steps import CreateContainer, Plan, ReplaceContainer, RunProvider, Step, UpdateContainer, WaitFor
from engine.reconcile.commit import commit_of
from engine.reconcile.contents import Sealer
from engine.reconcile.files import read_files, sources_of
from engine.reconcile.keep import keep_images
from engine.reconcile.outcome import Outcome, Progress, Status
from engine.reconcile.saved import stored_options
from engine.reconcile.sealed import sealed_project
from engine.reconcile.standing import Standing, read_standing, replica_of
from engine.reconcile.unkept import marks_of
from specs.models import Project

if TYPE_CHECKING:
    from engine.api.images import ImageSummary
    from engine.ledger.store import Ledger

# The limits under the keys where a spec may have them, and under the one where they are compared.
SPELLED = {"memory": "mem_limit", "cpus": "cpus", "pids": "pids_limit"}
LIMITS = "deploy.resources.limits."


@dataclass(frozen=True, slots=True)
class Terms:
    """How releases are kept: in which folder, how many good ones, under which words. `warn` hears what fails of it."""

    folder: Path
    command: str
    keep: int
    warn: Callable[[str], None]


@dataclass
class Recorder:
    """One release of a project, written as it happens. With `source` it returns to that release, whose spec it has.
    `commit` is where the project comes from, for who knows; else the folder's repository is asked.

    `number` is None until something is about to be written. `state` becomes FAILED with the first step that fails; who
    knows better says so before `finish`.
    """

    engine: Engine
    project: Project
    sealer: Sealer
    terms: Terms
    kind: str
    options: PlanOptions
    source: Release | None = None
    number: int | None = None
    state: State = State.DONE
    reason: str = ""
    ledger: Ledger | None = None
    commit: Commit | None = None
    key: Key = field(init=False)
    place: int = 0
    # what couldn't be begun isn't tried again: each try may wait for who has the ledger
    given_up: bool = False
    created: set[tuple[str, int]] = field(default_factory=set)
    updated: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = Key("", self.project.name)

    async def expect(self, plan: Plan) -> None:
        """To be called before a plan's first step: the first that does more than wait begins the release."""
        if self.ledger is not None and self.number is not None:
            with self.told():
                self.place = self.ledger.add_plan(self.key, self.number, plan_document(plan))
        elif not self.given_up and any(not isinstance(s.action, WaitFor | RunProvider) for s in plan.steps):
            self.key = Key(plan.engine.id, self.project.name)
            intent, contents, secrets = await self.intent()
            with self.told():
                self.ledger = self.ledger or self.opened()
                intent = await self.whole(intent, self.ledger)
                self.number = self.ledger.begin(self.key, intent, plan_document(plan), contents, secrets)
            self.given_up = self.number is None

    async def intent(self) -> tuple[Intent, dict[str, bytes], dict[str, bytes]]:
        """What is about to be done, the plain contents that it needs, and the sensitive values."""
        capabilities = asdict(await self.engine.capabilities())
        if self.source is not None:
            about = self.source.intent._replace(
                kind=self.kind, command=self.terms.command, owner=this_process(), source=self.source.number
            )
            return about._replace(capabilities=capabilities), {}, {}
        files = read_files(self.project, self.sealer)
        texts = [f.data.decode(errors="surrogateescape").strip() for f in files.values() if f.sensitive]
        spec, values = sealed_project(self.project, self.sealer, texts)
        about = Intent(
            self.kind,
            self.terms.command,
            this_process(),
            spec,
            stored_options(self.options),
            {path: file.content for path, file in files.items()},
            self.commit or await commit_of(self.project.working_dir),
            capabilities=capabilities,
            unkept=marks_of(self.project) if self.engine.target.scheme == "unix" else {},
        )
        plain = {f.content.digest: f.data for f in files.values() if not f.sensitive}
        return about, plain, values | {f.content.digest: f.data for f in files.values() if f.sensitive}

    async def whole(self, intent: Intent, ledger: Ledger) -> Intent:
        """The intent with all that will stand, where the release is of some services only."""
        if self.source is not None or not self.options.services:
            return intent
        # late: most releases are of the whole project
        from engine.ledger.whole import whole

        good = ledger.last_good(self.key)
        before = ledger.release(self.key, good.number).intent if good is not None else None
        chosen = select(self.project, self.options.services, deps=self.options.deps)
        paths = set(sources_of(self.project, chosen))
        standing = {replica_of(container)[0] for container in (await self.standing(images=False)).containers}
        return whole(intent, before, chosen, paths, standing)

    def ended(self, outcome: Outcome) -> None:
        """One step, as it ends."""
        if outcome.status is not Status.DONE:
            self.state = State.FAILED
            self.reason = self.reason or f"{outcome.step.address}: {outcome.reason}"
        else:
            self.remember(outcome.step)
        if self.ledger is not None and self.number is not None:
            found = StepOutcome(self.place, outcome.step.id, str(outcome.status), outcome.reason, outcome.seconds)
            with self.told():
                self.ledger.add_outcome(self.key, self.number, found)

    def remember(self, step: Step) -> None:
        match step.action:
            case CreateContainer() | ReplaceContainer():
                self.created.add((step.address.name, step.address.replica))
            case UpdateContainer(id):
                self.updated.setdefault(id, {}).update({plain_path(c.path): c.new for c in step.fields})

    async def finish(self) -> None:
        """Record how it ended and what stands, hold its images, let go of what is too old. A fault is only told."""
        if self.ledger is None or self.number is None:
            return
        try:
            with self.told():
                await self.close(self.ledger, self.number)
        finally:
            self.ledger.close()
            self.ledger = None

    async def close(self, ledger: Ledger, number: int) -> None:
        down = self.kind == "down"
        standing = await self.standing(images=not down)
        pins = {} if down else standing.pins()
        objects = standing.applied(self.created, self.updated, ledger.newest_objects(self.key))
        if self.state is State.DONE and not down:
            # first: a release that is called good has its images; what a `down` leaves needs none of its own
            await self.hold(ledger.pinned([self.key]) | {pin.id for pin in pins.values()}, standing.images)
        ledger.finish(self.key, number, self.state, images=pins, objects=objects, reason=self.reason)
        if ledger.prune(self.key, self.terms.keep) and not down:
            # as they were before: what was named just now is needed still. After a `down` the next release lets go
            await self.hold(ledger.pinned([self.key]), standing.images)

    async def standing(self, *, images: bool) -> Standing:
        """Nothing where the engine is gone: how it ended is recorded all the same."""
        try:
            return await read_standing(self.engine, self.project.name, images=images)
        except EngineError:
            return Standing((), ())

    async def hold(self, wanted: Collection[str], images: Sequence[ImageSummary]) -> None:
        try:
            await keep_images(self.engine, self.project.name, self.sealer.name, wanted, images)
        except EngineError as error:
            self.terms.warn(f"a prune may take images that this release needs: {error.message}")

    def opened(self) -> Ledger:
        # late: SQLite costs 10 ms, and an empty plan records nothing
        from engine.ledger.store import Ledger

        return Ledger(self.terms.folder)

    @contextmanager
    def told(self) -> Iterator[None]:
        try:
            yield
        except (EngineError, OSError) as error:
            self.terms.warn(f"this release is not recorded as it should be: {words_of(error)}")


class Recording:
    """A progress that tells a recorder of each step's end, after whoever shows it."""

    def __init__(self, shown: Progress, recorder: Recorder) -> None:
        self.started = shown.started
        self.line = shown.line
        self._shown = shown
        self._recorder = recorder

    def finished(self, outcome: Outcome) -> None:
        self._shown.finished(outcome)
        self._recorder.ended(outcome)


def words_of(error: EngineError | OSError) -> str:
    return error.message if isinstance(error, EngineError) else f"{error.filename}: {error.strerror}"


def plain_path(path: str) -> str:
    """`deploy.resources.limits.memory` → `mem_limit`: the name under which it is compared."""
    return SPELLED.get(path.removeprefix(LIMITS), path) if path.startswith(LIMITS) else path
