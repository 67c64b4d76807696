"""One field's old and new value as a person reads them; sensitive values never show."""

from __future__ import annotations

import json
from typing import Any

from engine.plan.steps import FieldChange
from specs.units import format_duration

HIDDEN = "(sensitive)"
UNSET = "(unset)"
LONGEST = 72


# Paths whose numbers are bytes, billionths of a core, or nanoseconds in the API: shown as a person writes them.
BYTES = frozenset({"mem_limit", "mem_reservation", "memswap_limit", "shm_size", "deploy.resources.limits.memory"})
CORES = frozenset({"cpus", "deploy.resources.limits.cpus"})
TIMES = frozenset({f"healthcheck.{word}" for word in ("interval", "timeout", "start_period", "start_interval")})


def shown(value: Any, path: str = "") -> str:
    """A value on one line: strings quoted as in JSON, unset as (unset), long ones cut in the middle."""
    if value is None:
        return UNSET
    if isinstance(value, int) and not isinstance(value, bool):
        if path in BYTES:
            return size(value)
        if path in CORES:
            return f"{value / 1e9:g}"
        if path in TIMES:
            return format_duration(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2 - 1
    return f"{text[:half]} … {text[-half:]}"


def change_line(change: FieldChange) -> str:
    """`environment.MODE: "dev" → "prod"`; of a sensitive one only that it is set, unset or changed."""
    if not change.sensitive:
        return f"{change.path}: {shown(change.old, change.path)} → {shown(change.new, change.path)}"
    old = UNSET if change.old is None else HIDDEN
    new = UNSET if change.new is None else HIDDEN
    return f"{change.path}: {old} → {new}"


def size(count: int) -> str:
    """`268435456` → `256 MiB`; what is no round number of a unit stays in bytes."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count and count % 1024**power == 0:
            return f"{count // 1024**power} {unit}"
    return f"{count} B"
