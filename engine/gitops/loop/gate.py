"""Whether a plan may go out: what needs an approval, how often drift is mended, what flaps. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

from engine.gitops.state.project import ProjectState
from engine.plan.render.document import plan_document
from engine.plan.steps import (
    Action,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    Plan,
    RemoveVolume,
    ReplaceContainer,
    ReplaceVolume,
)

CHANGES = frozenset({"create", "update", "replace", "destroy"})
HOUR = 3600.0
# One object mended so often in so short a time isn't mended by mending.
FLAPS, FLAP_SECONDS = 3, 600.0


def digest_of(plan: Plan, seal: Callable[[str], str]) -> str:
    """What an approval is for: the steps, their fields and reasons, and what new objects would be. Sealed, since that
    holds secrets.
    """
    wanted = [made_by(step.action) for step in plan.steps]
    text = json.dumps([plan_document(plan)["steps"], wanted], sort_keys=True, default=dict)
    return seal(text).rpartition(":")[2][:12]


def made_by(action: Action) -> object:
    """Of an object that isn't there yet the plan has no fields."""
    match action:
        case CreateContainer(desired) | ReplaceContainer(_, desired):
            files = [[file.path, sha256(file.content).hexdigest()] for file in desired.files]
            return [desired.image, desired.body, desired.contents, files, desired.post_start, desired.pre_stop]
        case CreateNetwork(desired) | CreateVolume(desired) | ReplaceVolume(desired):
            return desired.body
    return None


def wants_approval(plan: Plan, approve_over: int | None) -> str:
    """Why a plan needs somebody's word, empty where it doesn't."""
    doomed = [str(s.address) for s in plan.steps if isinstance(s.action, ReplaceVolume | RemoveVolume)]
    if doomed:
        return f"the data in {', '.join(doomed)} would be lost"
    count = sum(n for word, n in plan.summary.items() if word in CHANGES)
    if approve_over is not None and count > approve_over:
        return f"{count} {'change' if count == 1 else 'changes'}, and more than {approve_over} need an approval"
    return ""


def spent_budget(state: ProjectState, plan: Plan, now: float, heals_per_hour: int) -> str:
    """Why drift is not mended now, empty where it may be. Forgets what is long past."""
    state.heals = [at for at in state.heals if now - HOUR < at <= now]
    if len(state.heals) >= heals_per_hour:
        return f"mended {len(state.heals)} times within the last hour, which is all that heals_per_hour allows"
    for address in touched(plan):
        times = [at for at in state.flaps.get(address, ()) if now - FLAP_SECONDS < at <= now]
        state.flaps[address] = times
        if len(times) >= FLAPS:
            minutes = int(FLAP_SECONDS / 60)
            return f"{address} flaps: mended {len(times)} times within {minutes} minutes, and it drifts again"
    return ""


def record_heal(state: ProjectState, plan: Plan, now: float) -> None:
    state.heals.append(now)
    for address in touched(plan):
        state.flaps.setdefault(address, []).append(now)
    state.flaps = {address: times for address, times in state.flaps.items() if times}


def touched(plan: Plan) -> list[str]:
    return sorted({str(step.address) for step in plan.steps})


def summary(plan: Plan) -> str:
    """`service.web.1: image changed; service.db.1: it is exited` of at most three objects."""
    lines = [f"{step.address}: {step.because}" for step in plan.steps if step.word != "wait"]
    counts = Counter(lines)
    shown = "; ".join(list(counts)[:3])
    return f"{shown}; and {len(counts) - 3} more" if len(counts) > 3 else shown


def unsettled(plan: Plan) -> str:
    """The first field that differs although it was just applied."""
    for step in plan.steps:
        for change in step.fields:
            if not change.sensitive:
                return f"{step.address}: {change.path} won't settle: {change.old!r} → {change.new!r}"
            return f"{step.address}: {change.path} won't settle"
    return summary(plan)
