"""A step of a plan in JSON as lines for a person: what is done to which object and why, then each field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.plan.render.text import MARKS
from engine.plan.render.value import change_line
from engine.plan.steps import FieldChange


def planned(step: dict[str, Any]) -> Iterator[str]:
    """`-/+ service.web.1  image changed`, then the fields, indented."""
    mark = MARKS.get(step["action"], ">")
    yield f"{mark:>3} {step['address']}  {step['because']}"
    for field in step["fields"]:
        yield f"        {change_line(FieldChange(field['path'], field['old'], field['new'], field['sensitive']))}"
