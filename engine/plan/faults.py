"""What can't be planned, with the place in the spec that asks for it."""

from __future__ import annotations

from engine.api.errors import EngineError


class Unplannable(EngineError):
    """The spec asks for what this host can't be or hasn't got; `path` is the place in the spec, `code` stable."""

    def __init__(self, code: str, message: str, *path: str, hint: str | None = None) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.code = code
        self.bare = message
        self.path = path
        self.hint = hint
