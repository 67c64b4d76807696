"""Times as the Engine API writes them: RFC 3339 in UTC with nanoseconds; unset is the year one."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from engine.api.errors import InvalidArgument

UNSET = "0001-01-01T00:00:00Z"
SECOND = 1_000_000_000
STAMP = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def rfc3339(nanoseconds: int, *, padded: bool = False) -> str:
    """0 is unset. Go leaves trailing zeros of the fraction out; `padded` keeps nine digits, as logs do."""
    if not nanoseconds:
        return UNSET
    seconds, rest = divmod(nanoseconds, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest:09d}" if padded else f"{rest:09d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def nanoseconds_of(text: str) -> int:
    """`seconds`, `seconds.nanoseconds` or RFC 3339 → nanoseconds since the epoch. Raises InvalidArgument."""
    if found := re.fullmatch(r"(-?\d{1,12})(?:\.(\d{1,9})\d*)?", text, re.ASCII):
        return int(found[1]) * SECOND + int((found[2] or "0").ljust(9, "0"))
    if found := STAMP.fullmatch(text):
        zone = (found[3] or "Z").replace("Z", "+00:00")
        try:
            whole = datetime.fromisoformat(f"{found[1].replace(' ', 'T')}{zone}")
        except ValueError:
            raise InvalidArgument(f"invalid time {text!r}") from None
        return int(whole.timestamp()) * SECOND + int((found[2] or "0").ljust(9, "0"))
    raise InvalidArgument(f'failed to parse value as time or duration: "{text}"')


def human_duration(seconds: float) -> str:
    """As `docker ps` says how long: "5 seconds", "About a minute", "2 weeks"."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = whole // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = round(seconds / 3600)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"
