"""Times as Go writes them: 1h2m3.5s. Pure."""

from __future__ import annotations

import re
from decimal import Decimal

UNITS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)


class CantRead(ValueError):
    """It is no duration."""


def nanoseconds_of(text: str) -> int:
    """Raises CantRead."""
    body = text.removeprefix("+").removeprefix("-")
    if body == "0":
        return 0
    if not body or not re.fullmatch(f"(?:{PART.pattern})+", body):
        raise CantRead(f'invalid duration "{text}"')
    whole = sum(int(Decimal(number) * UNITS[unit]) for number, unit in PART.findall(body))
    return -whole if text.startswith("-") else whole
