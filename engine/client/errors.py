"""The faults that a call of the client can end in, under the client's name: what calls it needn't know the treaty."""

from __future__ import annotations

from engine.api.errors import (
    STATUS,
    Conflict,
    EngineError,
    Forbidden,
    InvalidArgument,
    NotFound,
    NotImplementedByEngine,
    SystemFailure,
    Timeout,
    Unauthorized,
    Unavailable,
)

__all__ = [
    "STATUS",
    "Conflict",
    "EngineError",
    "Forbidden",
    "InvalidArgument",
    "NotFound",
    "NotImplementedByEngine",
    "SystemFailure",
    "Timeout",
    "Unauthorized",
    "Unavailable",
]
