"""Sizes, processors, durations and policies as docker's flags have them → the API's numbers."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import typer

from specs.units import nanoseconds, size_in_bytes


def bytes_from(text: str | None, flag: str) -> int | None:
    """`512m` → bytes; -1 is unlimited. Raises BadParameter naming the flag."""
    if text is None:
        return None
    if text == "-1":
        return -1
    try:
        return size_in_bytes(text)
    except ValueError:
        raise typer.BadParameter(f'{flag}: "{text}" is no size: write a number with k, m or g') from None


def nano_cpus(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(Decimal(text) * 10**9)
    except InvalidOperation:
        raise typer.BadParameter(f'--cpus: "{text}" is no number of processors, such as 1.5') from None


def duration(text: str | None, flag: str) -> int:
    """`1m30s` → nanoseconds; 0 where nothing is said."""
    if text is None:
        return 0
    try:
        return nanoseconds(text)
    except ValueError:
        raise typer.BadParameter(f'{flag}: "{text}" is no duration, such as 30s') from None


def restart_policy(text: str | None) -> dict[str, Any] | None:
    """`on-failure:3`. What a name may be is the engine's to say."""
    if text is None:
        return None
    name, colon, count = text.partition(":")
    if colon and not count.isdecimal():
        raise typer.BadParameter(f'--restart: "{count}" is no number of tries')
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def pairs(texts: list[str] | None) -> dict[str, str]:
    """`a=b`; `a` alone is empty."""
    return {key: value for key, _, value in (text.partition("=") for text in texts or ())}
