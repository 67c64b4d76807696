"""Durations and sizes as Go writes and reads them: `1m30s`, `1.5g`. Used by the language and by everything after it."""

from __future__ import annotations

import math
import re

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d|w)")
SUFFIX = re.compile(r"(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE)
POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
HEXADECIMAL = re.compile(r"[+-]?0[xX](?:[\da-fA-F]+\.?[\da-fA-F]*|\.[\da-fA-F]+)[pP][+-]?\d+", re.ASCII)
BAD_UNDERSCORE = re.compile(r"(?<![\da-fA-FxX])_|_(?![\da-fA-F])", re.ASCII)


class Malformed(ValueError):
    """The text is no duration or no size."""


def nanoseconds(text: str) -> int:
    """`1m30s` → 90_000_000_000. Raises Malformed."""
    if text == "0":
        return 0
    sign, rest = (text[0], text[1:]) if text[:1] in {"+", "-"} else ("", text)
    total = 0
    position = 0
    for found in PART.finditer(rest):
        if found.start() != position:
            break
        whole, _, fraction = found[1].partition(".")
        unit = NANOSECONDS[found[2]]
        total += int(whole or 0) * unit + (int(int(fraction) * (unit / 10 ** len(fraction))) if fraction else 0)
        position = found.end()
    if not rest or position != len(rest) or total >= 1 << 63:
        if rest == "0":
            return 0
        raise Malformed(f"{text!r} is not a duration, such as 1m30s")
    return -total if sign == "-" else total


def seconds(text: str) -> float:
    """`1m30s` → 90.0. Raises Malformed."""
    return nanoseconds(text) / 1e9


def format_duration(value: int) -> str:
    """Nanoseconds as Go's time.Duration prints them: 90s → `1m30s`, 1µs → `1µs`, nothing → `0s`."""
    if value == 0:
        return "0s"
    sign, left = ("-", -value) if value < 0 else ("", value)
    if left < NANOSECONDS["s"]:
        for unit in ("ms", "µs", "ns"):
            if left >= NANOSECONDS[unit]:
                return f"{sign}{decimal(left, NANOSECONDS[unit])}{unit}"
    whole, rest = divmod(left, NANOSECONDS["m"])
    hours, minutes = divmod(whole, 60)
    text = f"{decimal(rest, NANOSECONDS['s'])}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else sign + text


def decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    fraction = f"{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)


def size_in_bytes(text: str) -> int:
    """`1.5g` → 1610612736: binary multiples, whatever the suffix. Raises Malformed.

    Source: docker/go-units, RAMInBytes: the number is what Go's ParseFloat takes, so `1e3k` and `1_000` are sizes too.
    """
    end = max(map(text.rfind, "0123456789. "))
    amount, suffix = (text[:end], text[end + 1 :]) if text[end : end + 1] == " " else (text[: end + 1], text[end + 1 :])
    found = SUFFIX.fullmatch(suffix)
    try:
        value = go_float(amount)
    except ValueError:
        value = -1.0
    if found is None or value < 0:
        raise Malformed(f"{text!r} is not a size, such as 512m")
    value *= 1024.0 ** POWERS[(found[1] or "b").lower()]
    # what doesn't fit into 64 bits comes out of Go's conversion as this
    return int(value) if value < 1 << 63 else -(1 << 63)


def go_float(text: str) -> float:
    """What strconv.ParseFloat makes of it. Raises ValueError, also for what is out of range."""
    if BAD_UNDERSCORE.search(text):
        raise ValueError(text)
    digits = text.replace("_", "")
    if not DECIMAL.fullmatch(digits) and not HEXADECIMAL.fullmatch(digits):
        raise ValueError(text)
    value = float.fromhex(digits) if "x" in digits.lower() else float(digits)
    if math.isinf(value):
        raise ValueError(text)
    return value
