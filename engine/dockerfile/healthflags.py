"""The flags of HEALTHCHECK: times and a number of retries. Pure."""

from __future__ import annotations

import re

from engine.dockerfile.durations import CantRead, nanoseconds_of
from engine.dockerfile.flags import Flags, Wrong


def duration_of(flags: Flags, name: str) -> int:
    """In nanoseconds; 0 where it isn't said. Raises Wrong."""
    for flag in flags.all(name):
        try:
            found = nanoseconds_of(flag.value)
        except CantRead as error:
            raise Wrong("flag", f"--{name}: {error}", flag.offset, "write 30s, 1m30s") from None
        if 0 < found < 1_000_000 or found < 0:
            raise Wrong("flag", f"--{name} cannot be less than 1ms: {flag.value}", flag.offset)
        return found
    return 0


def retries_of(flags: Flags) -> int:
    """0 where they aren't said. Raises Wrong."""
    for flag in flags.all("retries"):
        if not re.fullmatch(r"\d{1,9}", flag.value, re.ASCII):
            raise Wrong("flag", f"--retries must be a whole number, not {flag.value}", flag.offset)
        return int(flag.value)
    return 0
