"""Signals by name or number, as `kill` and StopSignal take them."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from typing import Any

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


def stop_signal(config: Mapping[str, Any]) -> int:
    """What asks a container of this configuration to end: SIGTERM where its StopSignal is none, as in dockerd.

    Create refuses such a word, but an image made elsewhere may bring it, and its container must end all the same.
    """
    try:
        return signal_number(config.get("StopSignal") or "SIGTERM")
    except InvalidArgument:
        return int(signal.SIGTERM)
