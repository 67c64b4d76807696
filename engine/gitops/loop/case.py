"""One project and the revision that is due for it, and the ways in which a look at it can end: each leaves a state that
says what is, and returns how long the project may rest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from engine.gitops.loop import gate
from engine.gitops.loop.choice import Choice
from engine.gitops.loop.desk import Desk, Ready
from engine.gitops.loop.kept import newest_release
from engine.gitops.loop.roster import Target
from engine.gitops.settings.models import Policy
from engine.gitops.state.project import Health, ProjectState, Sync, Waiting
from engine.kit.backoff import Backoff
from engine.plan.render.document import plan_document
from engine.plan.steps import Plan
from engine.plan.upkeep import addresses_of
from engine.reconcile.contents import read_sealer
from engine.reconcile.convergence import Convergence
from specs.source import SpecInvalid

RETRY = Backoff(first=1.0, factor=2.0, longest=120.0)
AT_ONCE = 0.0
KEPT_REVISIONS = 3


@dataclass
class Case:
    desk: Desk
    target: Target
    state: ProjectState
    choice: Choice
    # How the project did before this look changed anything.
    stood: Health = Health.UNKNOWN

    @property
    def policy(self) -> Policy:
        return self.target.settings.policy

    @cached_property
    def new(self) -> bool:
        """Whether the revision is to be brought out: another one stands, or was begun with."""
        revision, state = self.choice.revision, self.state
        # settings that changed are no drift: with them the same revision is another wish
        other = not self.back and state.form not in {"", self.form}
        return revision != state.synced or state.attempted not in {"", revision} or other

    @property
    def back(self) -> bool:
        """Whether it is an earlier revision that is due, since the newest one failed."""
        return self.choice.waiting is Waiting.NEWER

    @cached_property
    def form(self) -> str:
        """What the settings make of a revision, sealed: the variables in it may be secret."""
        settings, policy = self.target.settings, self.policy
        said = (settings.path, settings.files, settings.name, settings.directory, policy.engine.host)
        given = (policy.engine.context, policy.profiles, policy.env_files, sorted(policy.environment.items()))
        return read_sealer(self.desk.folder).seal(json.dumps([said, given]))

    @property
    def taken_seconds(self) -> float:
        """Of the time that the revision has to become healthy."""
        return self.desk.clock.now() - max(self.state.attempted_at, self.state.images_at)

    @cached_property
    def now(self) -> float:
        return self.desk.clock.now()

    def unsettled(self, left: Plan) -> float:
        state = self.state
        state.unsettled += 1
        if state.unsettled < 2:
            state.reason = "a plan after its apply was not empty; once more"
            return AT_ONCE
        state.waiting, state.reason = Waiting.HANDS, gate.unsettled(left)
        state.pending, state.sync = plan_document(left), Sync.OUT_OF_SYNC
        self.desk.tell(state, "unsettled", f"twice the plan after an apply was not empty: {state.reason}")
        return self.policy.interval_seconds

    def done(self, plan: Plan, ready: Ready, work: Convergence) -> float:
        state, revision = self.state, self.choice.revision
        if self.new:
            # somebody may have ordered to go back from it meanwhile
            if revision not in state.held:
                state.before = state.before if state.healthy == revision else state.healthy
                state.healthy = revision
            state.synced, state.synced_at, state.crashes = revision, self.now, 0
            state.form = "" if self.back else self.form
            text = f"{gate.summary(plan) or 'nothing had to change'}"
            if self.back:
                words = "; but ".join([state.held.get(state.target, ""), *ready.notes])
                self.desk.tell(state, "rolled-back", f"back on {revision[:12]}: {words}")
            else:
                self.desk.tell(state, "synced", f"{revision[:12]}: {text}")
        elif not plan.empty:
            self.desk.tell(state, "healed", gate.summary(plan), revision)
        self.note_release(work)
        state.owned = addresses_of(ready.project)
        state.uses = dict(list(state.uses.items())[-KEPT_REVISIONS:])
        self.desk.store.spend(state.key)
        return self.rest()

    def note_release(self, work: Convergence) -> None:
        """Under which number the ledger has what stands now. Where nothing had to change, it has it already."""
        state, recorder = self.state, work.turn.recorder if work.turn is not None else None
        number = recorder.number if recorder is not None else None
        if number is None and self.new:
            number = newest_release(self.desk.folder, state)
        if number is not None:
            state.releases[self.choice.revision] = number
        kept = {state.synced, state.healthy, state.before}
        state.releases = {revision: number for revision, number in state.releases.items() if revision in kept}

    def rest(self) -> float:
        """Everything is as it should be."""
        state = self.state
        state.failures = state.unsettled = 0
        state.reason, state.told = self.choice.reason, ""
        if not self.back:
            # also of a state that an older version wrote
            state.form = state.form or self.form
        state.pending, state.digest = None, ""
        state.sync = Sync.SYNCED if state.synced == state.target else Sync.OUT_OF_SYNC
        return self.policy.interval_seconds

    def refuse(self, why: str) -> float:
        """Hold the revision: it is not tried again by itself. What was whole before comes back at the next look."""
        state, revision = self.state, self.choice.revision
        why = self.desk.redacted(state.key, why)
        state.held[revision] = why
        state.held = dict(list(state.held.items())[-10:])
        state.told = ""
        if state.healthy == revision:
            state.healthy = state.before
        if not state.healthy:
            state.health = Health.DEGRADED if state.owned else state.health
        self.desk.tell(state, "failed", f"{revision[:12]} is held: {why}", revision)
        return AT_ONCE

    def unreadable(self, error: SpecInvalid) -> float:
        """The revision's files are wrong: it is held, and read again at each look, since what is wrong may lie beside
        the commit (a file of variables). One that has stood is no worse than it was.
        """
        if self.choice.revision == self.state.synced:
            return self.tell_and_retry(error.brief)
        self.state.unread = self.choice.revision
        return self.refuse(error.brief)

    def fail(self, why: str, *, final: bool = False, outage: bool = False) -> float:
        """A step failed. A new revision has its time for that; what stood already is tried again and again, and so is
        what a registry doesn't give (`outage`): nothing was changed yet, and it may give it later.
        """
        state = self.state
        state.health = self.stood if outage else Health.DEGRADED
        begun = state.attempted == self.choice.revision
        over = begun and self.taken_seconds >= self.policy.health_timeout_seconds
        if self.new and not self.back and not outage and (final or over):
            return self.refuse(why)
        return self.tell_and_retry(why) if over or self.back or not self.new else self.retry(why)

    def tell_and_retry(self, why: str) -> float:
        """Told once, however often it is tried."""
        why = self.desk.redacted(self.state.key, why)
        if self.state.told != why:
            self.state.told = why
            self.desk.tell(self.state, "failed", why, self.choice.revision)
        return self.retry(why)

    def retry(self, why: str) -> float:
        state = self.state
        state.failures += 1
        state.waiting, state.reason = Waiting.RETRY, self.desk.redacted(state.key, why)
        delays = RETRY.delays()
        for _ in range(min(state.failures, 12) - 1):
            next(delays)
        return next(delays)
