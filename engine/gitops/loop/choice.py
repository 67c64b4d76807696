"""Which revision of a project is to stand now, and what a newer one waits for. Pure."""

from __future__ import annotations

from typing import NamedTuple

from engine.gitops.moments import iso
from engine.gitops.state.project import Health, ProjectState, Sync, Waiting


class Choice(NamedTuple):
    """`revision` empty: nothing is to be done to the project."""

    revision: str
    waiting: Waiting = Waiting.NOTHING
    reason: str = ""


def choose(state: ProjectState, *, rollback: bool, opens_at: float | None, unmet: tuple[str, ...]) -> Choice:
    """`opens_at` is when the next window opens, None while one is open; `unmet` are words about the projects that it
    comes after and that aren't there yet. What stands is kept up whatever a newer revision waits for.
    """
    if state.suspended:
        return Choice("", Waiting.SUSPENDED, "suspended: `rorqual agent resume` lets it go on")
    if state.target in state.held:
        why = f"{state.target[:12]} is held: {state.held[state.target]}"
        if rollback and state.healthy and state.healthy not in state.held:
            return Choice(state.healthy, Waiting.NEWER, f"{why}; back on {state.healthy[:12]} until a newer one comes")
        return Choice("", Waiting.NEWER, f"{why}; a newer revision or `rorqual agent sync` tries again")
    if state.target != state.synced:
        if opens_at is not None:
            return Choice(state.synced, Waiting.WINDOW, f"the next window opens at {iso(opens_at)}")
        if unmet:
            return Choice(state.synced, Waiting.WAVE, f"comes after {'; and after '.join(unmet)}")
    return Choice(state.target)


def unmet_words(key: str, state: ProjectState | None) -> str:
    """Why a project isn't there that another comes after: `db, which is degraded: …`; empty where it is."""
    if state is None:
        return f"{key}, which no source has"
    if state.sync is Sync.SYNCED and state.health is Health.HEALTHY:
        return ""
    what = state.health.value if state.sync is Sync.SYNCED else state.sync.value
    return f"{key}, which is {what}{f': {state.reason}' if state.reason else ''}"
