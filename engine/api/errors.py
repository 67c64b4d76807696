"""Faults that cross the Engine API: one class each, one table to the HTTP status and back.

Source: Engine API v1.50, the error answers of each endpoint.
"""

from __future__ import annotations


class EngineError(Exception):
    """Something that a user must read: `message` is whole and in the user's words."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class InvalidArgument(EngineError):
    """400: the request can't mean anything."""


class Unauthorized(EngineError):
    """401: the credentials are missing or wrong."""


class Forbidden(EngineError):
    """403: understood and never allowed."""


class NotFound(EngineError):
    """404: no such object."""


class Conflict(EngineError):
    """409: the object's present state doesn't allow it."""


class SystemFailure(EngineError):
    """500: the engine failed."""


class NotImplementedByEngine(EngineError):
    """501: a known call that this engine doesn't serve."""


class Unavailable(EngineError):
    """503, or no answer at all: the engine, or what it needs, can't be reached now."""


class Timeout(EngineError):
    """The answer didn't come in time."""


STATUS: dict[type[EngineError], int] = {
    InvalidArgument: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    SystemFailure: 500,
    NotImplementedByEngine: 501,
    Unavailable: 503,
}
CLASS: dict[int, type[EngineError]] = {status: cls for cls, status in STATUS.items()}


def error_of(status: int, message: str) -> EngineError:
    """The error for an HTTP status; an unlisted 4xx is an InvalidArgument, an unlisted 5xx a SystemFailure."""
    return CLASS.get(status, InvalidArgument if status < 500 else SystemFailure)(message)
