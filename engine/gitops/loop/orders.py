"""What people and programs order: look now, leave alone, accept, go back. Noted here, carried out by the next look.

Each says what comes of it, also where something else stands in its way. Raises Conflict for what can't be.
"""

from __future__ import annotations

from engine.client.errors import Conflict, EngineError
from engine.gitops.loop.agent import Agent
from engine.gitops.loop.roster import Target
from engine.gitops.moments import iso, opens_at
from engine.gitops.state.project import Health, ProjectState, Waiting
from engine.ledger.release import FILE, FOLDER, Key
from engine.ledger.store import opened
from specs.source import SpecInvalid

# Of a commit id, as git itself wants it at least.
SHORTEST_ID = 4


def sync(agent: Agent, key: str) -> str:
    """Look at the source and the project now, and try again what was held or rested."""
    state = agent.desk.states[key]
    refuse_suspended(state)
    state.held.pop(state.target, None)
    state.rolled_back = state.told = ""
    state.failures = state.unsettled = state.crashes = 0
    state.heals, state.flaps = [], {}
    agent.desk.store.save(state)
    following = agent.followings.get(state.source)
    if following is not None:
        following.poke()
    agent.queue.add(key)
    words = ["it is looked at now"]
    if following is not None and following.error:
        words.append(f"its source {state.source} can't be read: {following.error}")
    target = agent.desk.roster.targets.get(key)
    opens = opens_at(target.settings.policy.windows, agent.desk.clock.now()) if target is not None else None
    if opens is not None:
        words.append(f"a new revision waits for its window, which opens at {iso(opens)}")
    return "; ".join(words)


def suspend(agent: Agent, key: str) -> str:
    state = agent.desk.states[key]
    under_way = key in agent.queue.busy and state.health is Health.PROGRESSING
    set_suspended(agent, state, True)
    return "suspended, once what is under way has ended" if under_way else "suspended"


def resume(agent: Agent, key: str) -> str:
    state = agent.desk.states[key]
    was = state.suspended
    set_suspended(agent, state, False)
    return "resumed" if was else "it was not suspended"


def set_suspended(agent: Agent, state: ProjectState, suspended: bool) -> None:
    state.suspended = suspended
    agent.desk.store.save(state)
    agent.queue.add(state.key)


def approve(agent: Agent, key: str, who: str, plan: str | None = None) -> str:
    """Accept the plan that waits; with `plan` only if that is its digest. One that changes later needs another word."""
    state = agent.desk.states[key]
    if state.waiting is not Waiting.APPROVAL:
        raise Conflict(f"no plan of {key} waits for an approval")
    if plan is not None and plan != state.digest:
        raise Conflict(f"the plan that waits is {state.digest}, not {plan}: look at it again")
    agent.desk.store.approve(key, state.digest, who, agent.desk.clock.now())
    agent.queue.add(key)
    return f"approved plan {state.digest}"


async def rollback(agent: Agent, key: str, wanted: str | None, who: str) -> str:
    """Hold the newest revision and go back; returns where to. Nothing is changed before that can be had.

    `wanted` may be any commit that the source still gives, and the beginning of one that is known.
    """
    state, target = agent.desk.states[key], agent.desk.roster.targets.get(key)
    refuse_suspended(state)
    if target is None:
        raise Conflict(f"{key} has left its source, and nothing of it is brought back")
    before = state.before if state.synced == state.target else state.healthy
    back = known_revision(agent, state, wanted) if wanted else before
    if not back or back == state.target:
        raise Conflict(f"{key} has no earlier healthy release to go back to")
    await refuse_lost(agent, state, target, back)
    state.held[state.target], state.rolled_back = f"rolled back by {who}", state.target
    state.held.pop(back, None)
    state.healthy, state.crashes, state.unsettled, state.told = back, 0, 0, ""
    agent.desk.store.save(state)
    agent.queue.add(key)
    return back


def refuse_suspended(state: ProjectState) -> None:
    if state.suspended:
        raise Conflict(f"{state.key} is suspended: `rorqual agent resume {state.key}` comes first")


def known_revision(agent: Agent, state: ProjectState, wanted: str) -> str:
    """The revision that begins so, of all that the state and the history have; else what was given."""
    known = {r for r in (state.synced, state.healthy, state.before, state.target, *state.held, *state.releases) if r}
    if (agent.desk.folder / FOLDER / FILE).exists():
        with opened(agent.desk.folder / FOLDER) as ledger:
            history = ledger.history(Key(state.engine_id, state.name))
        known |= {summary.commit.id for summary in history if summary.commit is not None}
    found = sorted(revision for revision in known if len(wanted) >= SHORTEST_ID and revision.startswith(wanted))
    if len(found) > 1:
        raise Conflict(f"{wanted} may be {' or '.join(each[:16] for each in found)}")
    return found[0] if found else wanted


async def refuse_lost(agent: Agent, state: ProjectState, target: Target, back: str) -> None:
    """Raises Conflict for a revision that can't be had or read any more."""
    if back in state.releases:
        return
    if target.tree.checkout is None:
        raise Conflict(f"{state.key} comes from a folder, and no release of {back[:12]} is recorded")
    try:
        await agent.desk.ready(target, back)
    except SpecInvalid as error:
        raise Conflict(f"{back[:12]} can't be brought back: {error.brief}") from error
    except EngineError as error:
        raise Conflict(f"{back[:12]} can't be brought back: {error.message}") from error
