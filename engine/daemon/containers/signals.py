"""Signals by name or number, as `kill` and StopSignal take them."""

from __future__ import annotations

import re
import signal

from engine.api.errors import InvalidArgument

LAST = 64


def signal_number(word: str) -> int:
    """`9`, `KILL`, `SIGKILL`, `SIGRTMIN+3`. Raises InvalidArgument in dockerd's words."""
    text = word.strip().upper()
    if text.isdecimal() and 1 <= int(text) <= LAST:
        return int(text)
    name = text if text.startswith("SIG") else f"SIG{text}"
    if found := re.fullmatch(r"SIGRT(MIN\+|MAX-)(\d{1,2})", name, re.ASCII):
        number = 34 + int(found[2]) if found[1] == "MIN+" else 64 - int(found[2])
        if 34 <= number <= LAST:
            return number
    elif name in signal.Signals.__members__:
        return int(signal.Signals[name])
    raise InvalidArgument(f"Invalid signal: {word}")
