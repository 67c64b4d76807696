"""Times for people and for windows: ISO 8601 in UTC, and whether a window of cron times is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
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
        # by the seconds that went by: where clocks are set back, an hour of the wall's comes twice
        earliest = datetime.fromtimestamp(now - window.duration_seconds, ZoneInfo(window.timezone))
        start = next(CronSim(window.cron, earliest)).timestamp()
        if start <= now:
            return None
        nexts.append(start)
    return min(nexts)
