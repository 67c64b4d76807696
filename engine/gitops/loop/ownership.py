"""Of several entries that mean one project on one engine, one has it: two would undo each other for ever. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from engine.gitops.state.project import ProjectState


def owner_of(states: Iterable[ProjectState], mine: ProjectState) -> ProjectState:
    """Who has put something there has the project; among those that haven't, the first by name."""
    rivals = [s for s in states if (s.engine_id, s.name) == (mine.engine_id, mine.name)]
    return min(rivals, key=lambda s: (not s.owned, s.key), default=mine)
