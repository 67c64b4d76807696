"""Moments: as users write them for --since and --until, and as engines write them, to the nanosecond."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from engine.api.errors import InvalidArgument
from specs.units import nanoseconds

UNIX = re.compile(r"(\d+)(?:\.(\d{1,9}))?")
SHORTER = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d")
RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)?")


def moment_of(text: str, flag: str, now: int) -> int:
    """`10m` (before `now`), `2024-05-01T10:00:00Z`, `2024-05-01` or Unix seconds → nanoseconds since the epoch.

    Without a zone a date is local time. Raises InvalidArgument naming the flag.
    """
    if found := UNIX.fullmatch(text):
        return int(found.group(1)) * 10**9 + int((found.group(2) or "").ljust(9, "0"))
    if (time := from_rfc3339(text)) is not None:
        return time
    for layout in SHORTER:
        try:
            return int(datetime.strptime(text, layout).timestamp()) * 10**9
        except ValueError:
            continue
    try:
        return now - nanoseconds(text)
    except ValueError:
        raise InvalidArgument(
            f'{flag}: "{text}" is no moment: write a duration (10m), a date (2024-05-01T10:00:00Z) or Unix seconds'
        ) from None


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


def local_time(seconds: float) -> str:
    """`2026-11-29 17:19:05+01:00`, in this machine's time zone."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")
