"""Who may do what in which repository: a file of lines `USER REPOSITORY ACTIONS`, read again when it changes;
from `#` on they are comments.

`*` as USER is everybody with a name, `anonymous` who has none. REPOSITORY may have `*` in it, which stands for any
text, slashes too. ACTIONS are `pull`, `push`, `delete`, joined by commas, or `*`; to push means to pull, too, as in
every token. What no line allows is denied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from engine.registry.server.textfile import TextFile, UsersInvalid
from engine.registry.server.tokens import Scope

ALL = frozenset({"pull", "push", "delete"})
EVERY, ANONYMOUS = "*", "anonymous"


@dataclass(frozen=True, slots=True)
class Line:
    user: str
    repository: re.Pattern[str]
    actions: frozenset[str]

    def is_for(self, user: str, name: str) -> bool:
        meant = self.user == (user or ANONYMOUS) or (self.user == EVERY and bool(user))
        return meant and self.repository.fullmatch(name) is not None


class Rights:
    def __init__(self, path: Path) -> None:
        """Raises UsersInvalid. A file that became unreadable allows what it allowed before."""
        self._lines = TextFile(path, "a file of rights", lambda text: lines_of(text, path))

    def actions(self, user: str, name: str) -> frozenset[str]:
        return frozenset().union(*(line.actions for line in self._lines() if line.is_for(user, name)))

    def allow(self, user: str, scope: Scope) -> bool:
        """Lists are for everybody: what may not be pulled is not in them."""
        if scope.kind != "repository":
            return True
        may = self.actions(user, scope.name)
        return may >= ALL if "*" in scope.actions else scope.actions <= may

    def narrowed(self, user: str, scope: Scope) -> Scope:
        if scope.kind != "repository":
            return scope
        asked = scope.actions | ALL if "*" in scope.actions else scope.actions
        return Scope(scope.kind, scope.name, asked & self.actions(user, scope.name))


def lines_of(text: str, path: Path) -> list[Line]:
    """Raises UsersInvalid."""
    lines = [line.partition("#")[0].split() for line in text.splitlines()]
    found = [line_of(words, f"{path}:{at}") for at, words in enumerate(lines, start=1)]
    return [line for line in found if line is not None]


def line_of(words: list[str], place: str) -> Line | None:
    """Raises UsersInvalid."""
    if not words:
        return None
    actions = frozenset(words[2].split(",")) if len(words) == 3 else frozenset()
    if not actions or not actions <= {*ALL, EVERY}:
        raise UsersInvalid(f"{place}: want USER REPOSITORY ACTIONS, as in `alice shop/* pull,push`")
    pattern = ".*".join(map(re.escape, words[1].split("*")))
    if EVERY in actions:
        actions = ALL
    return Line(words[0], re.compile(pattern), actions | {"pull"} if "push" in actions else actions)
