"""Durations and sizes as Go writes and reads them: `1m30s`, `1.5g`. Used by the language and by everything after it."""

from __future__ import annotations

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
# Longest units first, as the alternation takes the first that fits; units stand in falling order, each at most once.
DURATION = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<w>\d+(?:\.\d+)?)w)?(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?"
    r"(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+(?:\.\d+)?)ms)?"
    r"(?:(?P<us>\d+(?:\.\d+)?)(?:us|µs|μs))?(?:(?P<ns>\d+(?:\.\d+)?)ns)?"
)
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKmMgGtTpP])?([iI])?[bB]?")
POWERS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


class Malformed(ValueError):
    """The text is no duration or no size."""


def nanoseconds(text: str) -> int:
    """`1m30s` → 90_000_000_000. Raises Malformed."""
    if text == "0":
        return 0
    found = DURATION.fullmatch(text)
    if found is None or text in {"", "+", "-"}:
        raise Malformed(f"{text!r} is not a duration, such as 1m30s")
    total = 0
    for unit, amount in found.groupdict().items():
        if amount and unit != "sign":
            whole, _, fraction = amount.partition(".")
            total += int(whole) * NANOSECONDS[unit]
            if fraction:
                total += int(float(f"0.{fraction}") * NANOSECONDS[unit])
    return -total if found["sign"] == "-" else total


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
    """`1.5g` → 1610612736: binary multiples, whatever the suffix. Raises Malformed."""
    found = SIZE.fullmatch(text)
    if found is None:
        raise Malformed(f"{text!r} is not a size, such as 512m")
    if found[3] and not found[2]:
        raise Malformed(f"{text!r} is not a size, such as 512m")
    return int(float(found[1]) * 1024 ** POWERS.get((found[2] or "").lower(), 0))
