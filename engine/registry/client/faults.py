"""What can go wrong with a registry: refusals with the registry's own code, and answers that can't be believed."""

from __future__ import annotations

import json


class RemoteFault(Exception):
    """The text is a whole clause for people."""


class Unreachable(RemoteFault):
    """No answer."""


class Refused(RemoteFault):
    """An answer of status 400 and up. `code` is the specification's, empty where the body had none."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(message)

    @classmethod
    def of(cls, status: int, body: bytes) -> Refused:
        try:
            error = json.loads(body)["errors"][0]
            code, message = str(error["code"]), str(error.get("message") or "")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            text = body[:200].decode("utf-8", "replace").strip()
            return cls(status, "", f"status {status}" + (f": {text}" if text and "<" not in text else ""))
        # as Docker's client writes a code: manifest unknown: manifest unknown to registry
        return cls(status, code, f"{code.lower().replace('_', ' ')}: {message}".rstrip(": "))


class NoCredentials(Refused):
    """The registry wants to know who asks, and nobody told us."""


class Damaged(RemoteFault):
    """The registry sent something else than it said: a wrong digest, a length, a form."""
