"""A project that left its source: what the source put there goes, volumes and data only with somebody's approval."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.client.errors import EngineError, Timeout, Unavailable
from engine.gitops.loop import gate
from engine.gitops.loop.desk import Desk
from engine.gitops.loop.progress import Heard, failure
from engine.gitops.settings.models import EngineChoice
from engine.gitops.state.project import Health, ProjectState, Sync, Waiting
from engine.ledger.release import FOLDER
from engine.ledger.store import KEEP
from engine.plan.down import DownOptions, make_down_plan
from engine.plan.observed import Observed
from engine.plan.options import PlanOptions
from engine.plan.render.document import plan_document
from engine.plan.steps import Plan
from engine.reconcile.convergence import Convergence
from engine.reconcile.lock import LockTerms
from engine.reconcile.observe import observe
from engine.reconcile.recording import Recorder, Terms
from engine.reconcile.turn import Turn, one_turn
from specs.models import Project

RETRY_SECONDS = 30.0
LOCK_SECONDS = 5.0


def let_be(state: ProjectState) -> None:
    """Nobody knows what the project is to be: what stands is left as it is."""
    state.sync, state.waiting = Sync.UNKNOWN, Waiting.NOTHING
    state.reason = f"agent.yaml names neither it nor its source {state.source} any more: it is left as it is"


async def prune(desk: Desk, state: ProjectState) -> float | None:
    """One look at a project that has no source any more; None once nothing of it is left to care for."""
    state.removed, state.target = True, ""
    if state.suspended:
        return None
    if not state.prune or not state.owned:
        desk.tell(state, "pruned", "it left the repository; what it put on the engine was left as it is")
        forget(desk, state)
        return None
    choice = EngineChoice(state.host, state.context)
    try:
        return await remove(desk, state, choice)
    except (Unavailable, Timeout) as error:
        await desk.engines.forget(choice)
        state.waiting, state.reason = Waiting.RETRY, error.message
    except EngineError as error:
        state.waiting, state.reason = Waiting.RETRY, error.message
    return RETRY_SECONDS


async def remove(desk: Desk, state: ProjectState, choice: EngineChoice) -> float | None:
    async with desk.reached(choice) as engine:
        work = Convergence(engine, Project(name=state.name, working_dir="/"), environment=desk.environment)
        async with one_turn(turn_of(desk, state, work)) as work.turn:
            return await remove_in_turn(desk, state, work)


def turn_of(desk: Desk, state: ProjectState, work: Convergence) -> Turn:
    """The project's lock and the release that records what went."""
    words = f"rorqual agent: {state.key} left the repository"
    terms = Terms(desk.folder / FOLDER, words, KEEP, lambda text: None)
    recorder = Recorder(work.engine, work.project, work.sealer, terms, "down", PlanOptions())
    return Turn(work.engine, state.name, words, LockTerms(LOCK_SECONDS), desk.folder, lambda text: None, recorder)


async def remove_in_turn(desk: Desk, state: ProjectState, work: Convergence) -> float | None:
    engine = work.engine
    ours = owned_part(await observe(engine.reader, state.name), frozenset(state.owned))
    if not await carry_out(desk, state, work, make_down_plan(state.name, None, ours, DownOptions())):
        return RETRY_SECONDS
    data = desk.places.data(state.key)
    doomed = make_down_plan(state.name, None, ours._replace(containers=(), networks={}), DownOptions(volumes=True))
    if doomed.empty and not holds_data(data):
        desk.tell(state, "pruned", "it left the repository: its containers and networks were removed")
        forget(desk, state)
        return None
    digest = gate.digest_of(doomed, work.sealer.seal)
    if desk.store.approved(state.key, digest):
        if not await carry_out(desk, state, work, doomed):
            return RETRY_SECONDS
        discard(data)
        desk.tell(state, "pruned", "its volumes and its data were destroyed, as approved")
        forget(desk, state)
        return None
    told = state.digest == digest
    kept = ", ".join([*(str(step.address) for step in doomed.steps), *([str(data)] if holds_data(data) else [])])
    state.pending, state.digest, state.waiting = plan_document(doomed), digest, Waiting.APPROVAL
    state.sync, state.health = Sync.OUT_OF_SYNC, Health.MISSING
    state.reason = f"it left the repository; {kept} stays until `rorqual agent approve {state.key}` destroys it"
    if not told:
        desk.tell(state, "approval", f"{state.reason} (plan {digest})")
    return None


def owned_part(observed: Observed, owned: frozenset[str]) -> Observed:
    """What the source has put there; what others put under the project's labels is not ours to remove."""
    networks = {n: v for n, v in observed.networks.items() if f"network.{label(v, 'network', n)}" in owned}
    volumes = {n: v for n, v in observed.volumes.items() if f"volume.{label(v, 'volume', n)}" in owned}
    containers = tuple(c for c in observed.containers if f"service.{c.service}" in owned)
    return observed._replace(containers=containers, networks=networks, volumes=volumes)


def label(live: object, noun: str, name: str) -> str:
    labels = live.get("Labels") if isinstance(live, dict) else None
    return str((labels or {}).get(f"com.docker.compose.{noun}", name))


async def carry_out(desk: Desk, state: ProjectState, work: Convergence, plan: Plan) -> bool:
    if plan.empty:
        return True
    if work.turn is not None:
        await work.turn.take(await observe(work.engine.reader, state.name))
    limit = desk.parallel_steps
    report = await work.run(plan, Heard(), limit=limit, warn=lambda _, __: None, stopping=desk.stopping)
    if not report.ok:
        state.waiting, state.reason = Waiting.RETRY, failure(report)
    return report.ok


def forget(desk: Desk, state: ProjectState) -> None:
    desk.store.forget(state.key)
    desk.states.pop(state.key, None)
    desk.loaded.pop(state.key, None)
    desk.containers.pop(state.key, None)


def holds_data(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def discard(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
