"""Moments as engines write them, to the nanosecond: log lines and events are told apart by nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime

RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)?")


def from_rfc3339(text: str) -> int | None:
    """Nanoseconds since the epoch, every one kept, which Python's own parser doesn't; None for no time."""
    found = RFC3339.fullmatch(text)
    if found is None:
        return None
    day, fraction, zone = found.groups()
    try:
        time = datetime.fromisoformat(day + {"Z": "+00:00", None: ""}.get(zone, zone or ""))
    except ValueError:
        return None
    return int(time.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))


def for_query(nanoseconds: int) -> str:
    """As the API's queries have it: `1700000000.000000001`."""
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"


def to_rfc3339(nanoseconds: int) -> str:
    """UTC with nine digits, as an engine writes log times."""
    second = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    return f"{second:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9:09d}Z"
