"""A fault's class → the HTTP status, and the one body that Docker's clients read. Called by the router."""

from __future__ import annotations

import json

from engine.api.errors import STATUS, EngineError


def status_of(error: EngineError) -> int:
    return next((status for cls, status in STATUS.items() if isinstance(error, cls)), 500)


def body_of(message: str) -> bytes:
    return (
        json.dumps({"message": message}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
    )
