"""Times as the API writes them: RFC 3339 in UTC with nanoseconds, and seconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime

NEVER = "0001-01-01T00:00:00Z"
RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")


def rfc3339(seconds: float) -> str:
    whole = int(seconds)
    nanoseconds = int((seconds - whole) * 1e9)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{text}{fraction}Z"


def seconds_of(text: str) -> float | None:
    """Seconds since 1970 for an RFC 3339 time; None for what is none."""
    found = RFC3339.fullmatch(text)
    if found is None:
        return None
    zone = "+00:00" if found[3] in "Zz" else found[3]
    try:
        return datetime.fromisoformat(f"{found[1]}{zone}").timestamp() + float(f"0.{found[2] or 0}")
    except (ValueError, OverflowError):
        return None
