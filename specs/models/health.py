"""Health checks and life-cycle hooks."""

from __future__ import annotations

from specs.models.base import Extensible


class Healthcheck(Extensible):
    """Durations are Go strings (`1m30s`): see specs.units."""

    test: list[str] | None = None
    timeout: str | None = None
    interval: str | None = None
    retries: int | None = None
    start_period: str | None = None
    start_interval: str | None = None
    disable: bool | None = None


class Hook(Extensible):
    command: list[str] | None = None
    user: str | None = None
    privileged: bool | None = None
    working_dir: str | None = None
    environment: dict[str, str | None] | None = None
