"""Why a source could not be read: for people, without credentials, and whether trying again may help."""

from __future__ import annotations

import re

from engine.client.errors import EngineError

# user:password@ of an address, wherever git repeats it
LOGIN = re.compile(r"(\w+://)[^/@\s]+@")


class SourceFault(EngineError):
    """A source that can't be fetched, checked out or believed. The last good state stays."""

    def __init__(self, message: str) -> None:
        super().__init__(LOGIN.sub(r"\1", message))


class Untrusted(SourceFault):
    """A commit without a signature that counts."""
