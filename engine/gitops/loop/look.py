"""One look at one project: choose, load, observe, plan, gate, apply, wait for health, check that nothing is left.

Each look starts blind and ends in a state that is written down; killed anywhere, the next one goes on from what stands.
Returns how long the project may rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from engine.client.errors import Conflict, EngineError, NotFound, Timeout, Unavailable
from engine.client.session import Engine
from engine.gitops.loop import gate
from engine.gitops.loop.case import AT_ONCE, Case
from engine.gitops.loop.desk import Ready
from engine.gitops.loop.health import bounded, crashed, health_of
from engine.gitops.loop.kept import kept_release
from engine.gitops.loop.ownership import owner_of
from engine.gitops.loop.progress import Heard, failure, is_outage
from engine.gitops.settings.models import Heal
from engine.gitops.signed import signed_digest
from engine.gitops.state.project import Health, Sync, Waiting
from engine.ledger.release import FOLDER, Commit
from engine.ledger.store import KEEP
from engine.plan.observed import Observed
from engine.plan.options import PlanOptions
from engine.plan.render.document import plan_document
from engine.plan.steps import Plan, RunProvider, WaitFor
from engine.plan.upkeep import addresses_of, with_upkeep
from engine.reconcile.contents import Sealer
from engine.reconcile.convergence import Convergence, first_steps
from engine.reconcile.lock import LockTaken, LockTerms
from engine.reconcile.outcome import Report
from engine.reconcile.pins import pinned
from engine.reconcile.recording import Recorder, Terms
from engine.reconcile.turn import Turn, one_turn
from specs.check.capabilities import check_capabilities
from specs.source import Report as Diagnostics
from specs.source import SpecInvalid

# Containers that crash so often soon after a release are the release's fault.
CRASHES = 2
# Somebody else at work on the project is no reason to hold up others: it is looked at again soon.
LOCK_SECONDS = 5.0


class Stopped(Exception):
    """The agent is asked to end: what was begun is left to the next run."""


@dataclass
class Look(Case):
    async def run(self) -> float:
        state = self.state
        state.waiting, state.reason = self.choice.waiting, self.choice.reason
        state.checked_at = self.now
        if not self.choice.revision:
            state.sync = Sync.OUT_OF_SYNC if state.target != state.synced else state.sync
            return self.policy.interval_seconds
        try:
            ready = await self.ready()
        except SpecInvalid as error:
            return self.unreadable(error)
        except (Unavailable, Timeout) as error:
            return await self.lost(error)
        except EngineError as error:
            return self.retry(error.message)
        if not self.new and self.policy.heal is Heal.OFF:
            return self.policy.interval_seconds
        try:
            async with self.desk.reached(self.policy.engine) as engine:
                return await self.converge(ready, engine)
        except Stopped:
            return AT_ONCE
        except LockTaken as error:
            return self.retry(error.message)
        except (Unavailable, Timeout) as error:
            return await self.lost(error)
        except EngineError as error:
            return self.fail(error.message)

    async def ready(self) -> Ready:
        """The project as it is to stand. Back is to what ran, images and all, as the ledger has it; where it has it no
        longer, a repository still gives the commit, and a folder nothing.
        """
        revision, target = self.choice.revision, self.target
        folder = target.tree.checkout is None
        if revision != target.revision and (folder or (self.back and revision in self.state.releases)):
            try:
                return await kept_release(self.desk, target, self.state, revision)
            except (Conflict, NotFound):
                if folder:
                    raise
        return await self.desk.ready(target, revision)

    async def lost(self, error: EngineError) -> float:
        """The engine went away: nothing is known, and nothing is held for it."""
        await self.desk.engines.forget(self.policy.engine)
        self.state.sync, self.state.health = Sync.UNKNOWN, Health.UNKNOWN
        return self.retry(error.message)

    async def converge(self, ready: Ready, engine: Engine) -> float:
        state, project = self.state, pinned(ready.project)
        signed = partial(signed_digest, environment=self.desk.environment)
        work = Convergence(engine, project, environment=self.desk.environment, signed=signed)
        observed = await self.observe(work)
        state.name, state.engine, state.engine_id = project.name, engine.target.address, observed.engine.id
        if (owner := owner_of(self.desk.states.values(), state)) is not state:
            state.waiting = Waiting.HANDS
            state.reason = f'project "{state.name}" on this engine belongs to {owner.key} of source {owner.source}'
            return self.policy.interval_seconds
        options = self.options(ready)
        plan = self.plan(work, options, observed)
        state.health = health_of(project, observed)
        if plan.empty and not self.new:
            return self.rest()
        if (rest := self.gated(plan, ready, observed, work.sealer)) is not None:
            return rest
        async with one_turn(self.turn(work, options, ready)) as work.turn:
            if await work.take(plan, observed):
                return AT_ONCE
            return await self.bring_out(work, ready, options, plan, observed)

    async def observe(self, work: Convergence) -> Observed:
        observed = await work.observe()
        self.desk.containers[self.state.key] = frozenset(container.id for container in observed.containers)
        return observed

    def turn(self, work: Convergence, options: PlanOptions, ready: Ready) -> Turn:
        """The project's lock, for as long as it is written to, and the release that comes of it."""
        desk, tree = self.desk, self.target.tree
        # what is mended later is no return
        back = ready.release if self.new else None
        words = f"rorqual agent: {self.state.key} at {self.choice.revision[:12]}"
        recorder = Recorder(
            work.engine,
            work.project,
            work.sealer,
            Terms(desk.folder / FOLDER, words, KEEP, self.say),
            "up" if back is None else "rollback",
            options._replace(separator=work.separator),
            back,
            commit=Commit(self.choice.revision, subject=self.subject) if tree.checkout is not None else None,
        )
        return Turn(work.engine, work.project.name, words, LockTerms(LOCK_SECONDS), desk.folder, self.say, recorder)

    @property
    def subject(self) -> str:
        return self.target.tree.subject if self.choice.revision == self.target.revision else ""

    def warned(self, address: object, text: str) -> None:
        """What the engine passed over of a container: it runs, and not quite as its file says."""
        self.desk.tell(self.state, "warning", f"{address}: {text}", self.choice.revision)

    async def tell_unhonoured(self, ready: Ready, engine: Engine) -> None:
        """Once of each revision: the keys of its files that this engine can't honour."""
        if ready.root is None or not self.new or self.state.attempted == self.choice.revision:
            return
        can, found = await engine.capabilities(), Diagnostics()
        check_capabilities(ready.root, can.engine, found, api=can.api_version)
        for each in found:
            self.desk.tell(self.state, "warning", str(each), self.choice.revision)

    def say(self, text: str) -> None:
        """What waiting for the lock, or writing the release, has to tell."""
        self.state.reason = text

    async def bring_out(
        self, work: Convergence, ready: Ready, options: PlanOptions, plan: Plan, observed: Observed
    ) -> float:
        """Apply, wait for health, and see that nothing is left to do."""
        state, project = self.state, work.project
        await self.tell_unhonoured(ready, work.engine)
        self.begin(plan, ready)
        report = await self.bring(work, options, plan, observed)
        if report.ok:
            report = await self.settle(work)
        if self.desk.stopping.is_set():
            raise Stopped
        if not report.ok:
            # a connection that was lost is no fault of the revision
            await work.engine.system.ping()
            waited = any(isinstance(outcome.step.action, WaitFor) for outcome in report.failed)
            return self.fail(failure(report), final=waited, outage=is_outage(report))
        observed = await self.observe(work)
        state.health = health_of(project, observed)
        left = self.plan(work, options._replace(images_settled=True), observed)
        if not left.empty:
            return self.unsettled(left)
        return self.done(plan, ready, work)

    def options(self, ready: Ready) -> PlanOptions:
        """A new revision builds its images and asks its pull policies; in between only what is missing is fetched."""
        if ready.options is not None:
            return ready.options
        built = any(service.build for service in ready.project.services.values())
        pull = None if self.new else "missing"
        return PlanOptions(build=True if built and self.new else None, pull=pull, providers=self.new)

    def plan(self, work: Convergence, options: PlanOptions, observed: Observed) -> Plan:
        owned = frozenset(self.state.owned)
        return with_upkeep(
            work.plan(options, observed), work.project, observed, owned=owned, prune=self.policy.prune, restart=True
        )

    def gated(self, plan: Plan, ready: Ready, observed: Observed, sealer: Sealer) -> float | None:
        """None where the plan may go out, else how long to rest."""
        state = self.state
        digest = gate.digest_of(plan, sealer.seal)
        told = state.digest == digest
        if not plan.empty:
            state.pending, state.digest, state.sync = plan_document(plan), digest, Sync.OUT_OF_SYNC
        if state.unsettled >= 2:
            state.waiting, state.reason = Waiting.HANDS, gate.unsettled(plan)
            return self.policy.interval_seconds
        # the way back is to what was let out before, and is gone when it is needed
        over = None if self.back else self.policy.approve_over
        if (why := gate.wants_approval(plan, over)) and not self.desk.store.approved(state.key, digest):
            state.waiting, state.reason = Waiting.APPROVAL, f"{why}: `rorqual agent approve {state.key}` accepts that"
            if not told:
                # an approval that there may be was for another plan
                self.desk.store.spend(state.key)
                self.desk.tell(state, "approval", f"{state.reason} (plan {digest})")
            return self.policy.interval_seconds
        return None if self.new else self.drifted(plan, ready, observed, told=told)

    def drifted(self, plan: Plan, ready: Ready, observed: Observed, *, told: bool) -> float | None:
        """What stands is no longer as it was brought out."""
        state = self.state
        text = gate.summary(plan)
        if not told:
            self.desk.tell(state, "drifted", text, self.choice.revision)
        if self.policy.heal is Heal.REPORT:
            state.reason = f"drifted: {text}"
            return self.policy.interval_seconds
        if self.on_probation(ready, observed):
            return self.refuse(f"{', '.join(crashed(ready.project, observed))} crashed soon after the release")
        if why := gate.spent_budget(state, plan, self.now, self.policy.heals_per_hour):
            state.waiting, state.reason = Waiting.BUDGET, f"not mended: {why}"
            return self.policy.interval_seconds
        return None

    def on_probation(self, ready: Ready, observed: Observed) -> bool:
        """Whether crashes soon after a release have become too many; there is one to go back to."""
        state = self.state
        soon = self.now - state.synced_at < self.policy.health_timeout_seconds
        if not (soon and state.synced == state.target and state.before and crashed(ready.project, observed)):
            return False
        state.crashes += 1
        return state.crashes > CRASHES and self.policy.rollback

    def begin(self, plan: Plan, ready: Ready) -> None:
        """Write down what is about to be done, before it is: a killed agent's successor must know whose it is."""
        state = self.state
        # a clock that was set back would give a revision more time than it has
        begun = state.attempted == self.choice.revision and state.attempted_at <= self.now
        if not begun:
            state.attempted, state.attempted_at, state.failures = self.choice.revision, self.now, 0
            state.images_at = 0.0
        self.stood, state.health = state.health, Health.PROGRESSING
        if self.new and not begun and not plan.empty and not self.back:
            self.desk.tell(state, "syncing", f"{self.choice.revision[:12]}: {gate.summary(plan)}")
        if ready.release is None:
            state.uses[self.choice.revision] = list(ready.objects)
        state.owned = sorted({*state.owned, *addresses_of(ready.project)})
        if not self.new and not plan.empty:
            gate.record_heal(state, plan, self.now)
        self.desk.store.save(state)

    async def bring(self, work: Convergence, options: PlanOptions, plan: Plan, observed: Observed) -> Report:
        """Apply; where containers stand, images first, and the rest by what they turned out to be."""
        first = first_steps(plan)
        provided = any(isinstance(step.action, RunProvider) for step in first.steps)
        if not first.empty and (observed.containers or provided):
            report = await self.apply(work, first)
            if not report.ok:
                return report
            plan = self.plan(work, options._replace(images_settled=True), await work.observe())
        return await self.apply(work, plan)

    async def apply(self, work: Convergence, plan: Plan) -> Report:
        limit, heard = self.desk.parallel_steps, Heard(self.desk.clock)
        # what a service waits for must come in time, too: there is nobody here to grow impatient
        plan = bounded(plan, self.policy.health_timeout_seconds)
        report = await work.run(plan, heard, limit=limit, warn=self.warned, stopping=self.desk.stopping)
        if self.new and heard.images_at and not self.state.images_at and not is_outage(report):
            # how long images take is no matter of health
            self.state.images_at = heard.images_at
            self.desk.store.save(self.state)
        return report

    async def settle(self, work: Convergence) -> Report:
        """Until everything runs and is healthy, within what is left of the time that the revision has."""
        left = self.policy.health_timeout_seconds - self.taken_seconds
        seconds = max(1.0, round(left, 1)) if self.new else self.policy.health_timeout_seconds
        keys = [key for key, service in work.project.services.items() if service.replicas]
        plan = work.settling(keys, seconds, await work.observe(), "its health decides over the release")
        async with self.desk.aside():
            return await self.apply(work, plan)
