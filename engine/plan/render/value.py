"""One field's old and new value as a person reads them; sensitive values never show."""

from __future__ import annotations

import json
from typing import Any

from engine.plan.steps import FieldChange

HIDDEN = "(sensitive)"
UNSET = "(unset)"
LONGEST = 72


def shown(value: Any) -> str:
    """A value on one line: strings quoted as in JSON, unset as (unset), long ones cut in the middle."""
    if value is None:
        return UNSET
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2 - 1
    return f"{text[:half]} … {text[-half:]}"


def change_line(change: FieldChange) -> str:
    """`environment.MODE: "dev" → "prod"`; of a sensitive one only that it is set, unset or changed."""
    if not change.sensitive:
        return f"{change.path}: {shown(change.old)} → {shown(change.new)}"
    old = UNSET if change.old is None else HIDDEN
    new = UNSET if change.new is None else HIDDEN
    return f"{change.path}: {old} → {new}"
