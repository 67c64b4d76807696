"""The agent's memory on disk: SQLite in WAL mode, 0600, one process at a time. Every change is whole or not there."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.client.errors import Conflict, EngineError
from engine.gitops.state.project import ProjectState, project_state

VERSION = 1
SCHEMA = """
CREATE TABLE projects (key TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE approvals (project TEXT, digest TEXT, who TEXT, at REAL, PRIMARY KEY (project, digest)) STRICT;
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, project TEXT NOT NULL,
  revision TEXT NOT NULL, text TEXT NOT NULL
) STRICT;
CREATE TABLE deliveries (id TEXT PRIMARY KEY, at REAL NOT NULL) STRICT;
"""
MOST_EVENTS = 10_000


class StateFault(EngineError):
    """The state can't be read or written; nothing is done that could not be remembered."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that people want to be told of; `kind` is one of those that agent.yaml names."""

    id: int
    at: float
    kind: str
    project: str
    revision: str
    text: str


class Store:
    def __init__(self, folder: Path) -> None:
        """Open or make it. Raises Conflict when another agent has it, StateFault."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise Conflict(
                f"another agent runs with the state in {folder}: stop it, or give this one its own"
            ) from None
        path = folder / "agent.db"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._migrate(path)
        except sqlite3.DatabaseError as error:
            raise StateFault(f"{path} can't be used: {error}; move it away to start anew") from None
        # What was written last, so that a look that changed nothing writes nothing.
        self._written: dict[str, str] = {}

    def _migrate(self, path: Path) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StateFault(f"{path} was written by a newer Rorqual: use that one")
        if version == 0:
            self._db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")

    def close(self) -> None:
        self._db.close()
        os.close(self._lock)

    def _do(self, statement: str, *values: Any) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise StateFault(f"the agent's state can't be written: {error}") from None

    def projects(self) -> dict[str, ProjectState]:
        rows = self._do("SELECT key, body FROM projects ORDER BY key").fetchall()
        return {key: project_state(json.loads(body)) for key, body in rows}

    def save(self, state: ProjectState) -> bool:
        """Whether anything had changed, the time of the last look apart."""
        body = state.document()
        seen = json.dumps({**body, "checked_at": 0}, sort_keys=True)
        if self._written.get(state.key) == seen:
            return False
        self._do("INSERT OR REPLACE INTO projects VALUES (?, ?)", state.key, json.dumps(body))
        self._written[state.key] = seen
        return True

    def forget(self, key: str) -> None:
        self._do("DELETE FROM projects WHERE key = ?", key)
        self._do("DELETE FROM approvals WHERE project = ?", key)
        self._written.pop(key, None)

    def approve(self, project: str, digest: str, who: str, at: float) -> None:
        self._do("INSERT OR REPLACE INTO approvals VALUES (?, ?, ?, ?)", project, digest, who, at)

    def approved(self, project: str, digest: str) -> bool:
        found = self._do("SELECT 1 FROM approvals WHERE project = ? AND digest = ?", project, digest).fetchone()
        return found is not None

    def spend(self, project: str) -> None:
        """Approvals count once: what was approved has been done."""
        self._do("DELETE FROM approvals WHERE project = ?", project)

    def add_event(self, at: float, kind: str, project: str, revision: str, text: str) -> Event:
        cursor = self._do("INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?)", at, kind, project, revision, text)
        number = int(cursor.lastrowid or 0)
        if number % 100 == 0:
            self._do("DELETE FROM events WHERE id <= ?", number - MOST_EVENTS)
        return Event(number, at, kind, project, revision, text)

    def events(self, after: int = 0, limit: int = 1000) -> Iterator[Event]:
        """The newest, oldest first."""
        rows = self._do("SELECT * FROM events WHERE id > ? ORDER BY id DESC LIMIT ?", after, limit).fetchall()
        return (Event(*row) for row in reversed(rows))

    def newest_event(self) -> int:
        """The number of the last one; 0 where there was none."""
        return int(self._do("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    def events_after(self, after: int, limit: int = 500) -> list[Event]:
        """The oldest of those that came later."""
        rows = self._do("SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?", after, limit).fetchall()
        return [Event(*row) for row in rows]

    def first_delivery(self, id: str, at: float) -> bool:
        """Whether a webhook's delivery is new; old ones are forgotten after a week."""
        self._do("DELETE FROM deliveries WHERE at < ?", at - 604_800)
        return self._do("INSERT OR IGNORE INTO deliveries VALUES (?, ?)", id, at).rowcount == 1
