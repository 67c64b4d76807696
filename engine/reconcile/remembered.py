"""What this machine's ledger knows of a project's containers: the values last applied to what can change in place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.api.errors import SystemFailure
from engine.ledger.release import FILE, FOLDER, Key


def last_applied(state: Path, engine: str, project: str) -> Mapping[str, Mapping[str, Any]]:
    """By container id; nothing where there is no ledger, or none that can be read: planning doesn't depend on it."""
    if not (state / FOLDER / FILE).exists():
        return {}
    # late: SQLite costs 10 ms
    from engine.ledger.store import opened

    try:
        with opened(state / FOLDER) as ledger:
            return ledger.newest_objects(Key(engine, project))
    except SystemFailure:
        return {}
