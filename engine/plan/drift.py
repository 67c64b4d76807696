"""Drift, three ways: what was last applied, what lives, what the spec asks for. Read off the plan that would mend it.

What was applied to a container is on its label; of what can change in place only the ledger knows the newest, and
where it doesn't, it is unknown and shown as such. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from engine.graph.address import Address, Kind
from engine.plan.diff.containers import CONTENT, UPDATABLE, ContainerDiff, recorded, was_applied
from engine.plan.diff.endpoints import diff_endpoints
from engine.plan.ignored import ignored_of
from engine.plan.lower.naming import PROJECT
from engine.plan.make import orphans
from engine.plan.observed import LiveContainer, Observed
from engine.plan.options import PlanOptions
from engine.plan.render.difference import SERVING, WHOLE
from engine.plan.steps import FieldChange, Plan, ReplaceContainer, Step
from specs.models import Project

UNKNOWN = "(unknown)"
LIMITS = "deploy.resources.limits."
SPELLED = {"memory": "mem_limit", "cpus": "cpus", "pids": "pids_limit"}


class Drift(NamedTuple):
    """One field of one object, or the whole object where `path` is empty.

    `applied` is UNKNOWN where nobody recorded it. `because` says who moved: the host, the spec, or both.
    """

    address: Address
    path: str
    applied: Any
    live: Any
    desired: Any
    because: str
    sensitive: bool = False


def drift_of(project: Project, observed: Observed, options: PlanOptions, plan: Plan) -> list[Drift]:
    """Everything that differs, in the order of the plan; then what no plan mends: failing health, foreign objects."""
    ignored = ignored_of(project)
    others = [*unhealthy(observed), *([] if options.services else foreign(project, observed))]
    return [
        *(drift for step in plan.steps for drift in of_step(step, observed, options)),
        *(drift for drift in others if not ignored.matches(drift.address, drift.path)),
    ]


def of_step(step: Step, observed: Observed, options: PlanOptions) -> Iterator[Drift]:
    if step.word in SERVING:
        return
    if not step.fields:
        if step.word in WHOLE:
            live, desired = (None, "there") if step.word != "destroy" else ("there", None)
            yield Drift(step.address, "", UNKNOWN, live, desired, whole_words(step))
        return
    live_one = container_at(step.address, observed)
    for change in (*step.fields, *mended_too(step, live_one)):
        applied = applied_of(change, live_one, options)
        yield Drift(
            step.address,
            change.path,
            applied,
            change.old,
            change.new,
            who_moved(change, applied, options),
            change.sensitive,
        )


def mended_too(step: Step, live: LiveContainer | None) -> Iterator[FieldChange]:
    """What a replacement mends without being made for it: networks, the name, a container that doesn't run."""
    if not isinstance(step.action, ReplaceContainer) or live is None:
        return
    desired = step.action.desired
    yield from (endpoint.change for endpoint in diff_endpoints(desired, live))
    if live.name != desired.name:
        yield FieldChange("container_name", live.name, desired.name)
    if (not live.running or live.state == "paused") and step.action.start:
        yield FieldChange("state", live.state, "running")


def whole_words(step: Step) -> str:
    return step.because if step.word == "destroy" else WHOLE[step.word]


def container_at(address: Address, observed: Observed) -> LiveContainer | None:
    if address.kind is not Kind.SERVICE:
        return None
    return next(
        (c for c in observed.containers if (c.service, c.number) == (address.name, address.replica) and not c.oneoff),
        None,
    )


def applied_of(change: FieldChange, live: LiveContainer | None, options: PlanOptions) -> Any:
    if live is None:
        return UNKNOWN
    path = plain_path(change.path)
    if path == "state":
        return "running"
    if path in UPDATABLE:
        return options.applied.get(live.id, {}).get(path, UNKNOWN)
    made = recorded(live)
    if made is None or path.startswith(("networks.", "container_name")):
        return UNKNOWN
    if path == "image" or path.startswith(CONTENT):
        # a container keeps the image that it was made of; of contents the one is recorded, and the other is the file's
        return change.old
    value = made.get(path)
    if was_applied(value, change.new, options.seal):
        return change.new
    return change.old if was_applied(value, change.old, options.seal) else value


def who_moved(change: FieldChange, applied: Any, options: PlanOptions) -> str:
    if applied == UNKNOWN:
        return "the host differs from the spec"
    if applied == change.new:
        return "changed on the host"
    if change.path.startswith(CONTENT):
        return "the file has changed"
    return "changed in the spec" if applied == change.old else "changed on the host and in the spec"


def plain_path(path: str) -> str:
    """`deploy.resources.limits.memory` → `mem_limit`: the name under which it is compared and recorded."""
    return SPELLED.get(path.removeprefix(LIMITS), path) if path.startswith(LIMITS) else path


def unhealthy(observed: Observed) -> Iterator[Drift]:
    for live in observed.containers:
        if live.health == "unhealthy" and live.running and not live.oneoff:
            address = Address(Kind.SERVICE, live.service, live.number)
            yield Drift(address, "health", UNKNOWN, "unhealthy", "healthy", "its health check fails")


def foreign(project: Project, observed: Observed) -> Iterator[Drift]:
    """Containers under the project's labels that no service of the spec made, and networks that it doesn't know."""
    for live in orphans(project, observed):
        address = Address(Kind.SERVICE, live.service, live.number)
        yield Drift(address, "", UNKNOWN, live.name, None, "no service of the spec made it (up --remove-orphans)")
    known = {network.name or key for key, network in project.networks.items()}
    for name, network in sorted(observed.networks.items()):
        if name not in known and (network.get("Labels") or {}).get(PROJECT) == project.name:
            yield Drift(Address(Kind.NETWORK, name), "", UNKNOWN, "there", None, "no network of the spec")


def moved_tag(address: Address, reference: str, live: str, registry: str) -> Drift:
    """A tag that stands for another digest at its registry than here."""
    because = f"{reference} was moved at its registry (up --pull always takes it)"
    return Drift(address, "image", live, live, registry, because)


def taken_name(address: Address, name: str, diff: ContainerDiff) -> Iterator[Drift]:
    """A container that bears a replica's name and none of its labels: made by hand, or by another tool."""
    because = f"{name} was made by hand: remove it, and `rorqual up` makes the right one"
    yield Drift(address, "labels", UNKNOWN, "of no project", "of this project", because)
    for change in (*diff.replace, *diff.update):
        yield Drift(address, change.path, UNKNOWN, change.old, change.new, because, change.sensitive)
