"""Times for people and for windows: ISO 8601 in UTC, and whether a window of cron times is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from engine.gitops.settings.models import Window

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def iso(seconds: float) -> str:
    """`2026-11-29T17:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def opens_at(windows: Sequence[Window], now: float) -> float | None:
    """None while one of the windows is open (or there is none); otherwise when the next one opens, in Unix seconds."""
    if not windows:
        return None
    nexts = []
    for window in windows:
        here = datetime.fromtimestamp(now, ZoneInfo(window.timezone))
        duration = timedelta(seconds=window.duration_seconds)
        start = next(CronSim(window.cron, here - duration))
        if start <= here:
            return None
        nexts.append(start.timestamp())
    return min(nexts)
