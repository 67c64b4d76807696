"""What differs between spec and engine, field by field, without what would be done about it: for `diff` and `drift`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.plan.render.document import field_document
from engine.plan.render.value import change_line
from engine.plan.steps import FieldChange, Plan, Step

# Steps that only serve others say nothing about a difference.
SERVING = frozenset({"wait", "push"})
WHOLE = {"create": "missing", "destroy": "not in the spec", "pull": "image missing", "build": "image missing"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one object; `change` is None where the whole object is missing or superfluous, as `because` says."""

    address: str
    because: str
    change: FieldChange | None


def differences(plan: Plan) -> list[Difference]:
    return [found for step in plan.steps if step.word not in SERVING for found in step_differences(step)]


def step_differences(step: Step) -> Iterator[Difference]:
    address = str(step.address)
    if step.fields:
        for change in step.fields:
            yield Difference(address, step.because, change)
    elif step.word in WHOLE:
        yield Difference(address, WHOLE[step.word], None)


def render_differences(found: list[Difference]) -> str:
    """One line a difference: `service.web.1  environment.MODE: "dev" → "prod"`."""
    width = max((len(d.address) for d in found), default=0)
    return "\n".join(f"{d.address:<{width}}  {change_line(d.change) if d.change else d.because}" for d in found)


def differences_document(project: str, found: list[Difference]) -> dict[str, Any]:
    """`{"project", "differences": [{"address", "because", "path", "old", "new", "sensitive"}]}`."""
    empty = {"path": None, "old": None, "new": None, "sensitive": False}
    return {
        "project": project,
        "differences": [
            {"address": d.address, "because": d.because, **(field_document(d.change) if d.change else empty)}
            for d in found
        ],
    }
