"""The ledger's file: opened, made private, and brought to this version's schema, one migration after the other."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.api.errors import SystemFailure
from engine.ledger.release import FILE

# One script a version, never changed once released: `user_version` counts those that were run.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE releases (
        engine TEXT NOT NULL, project TEXT NOT NULL, number INTEGER NOT NULL,
        kind TEXT NOT NULL, state TEXT NOT NULL, began REAL NOT NULL, ended REAL,
        intent TEXT NOT NULL, spec TEXT NOT NULL, images TEXT NOT NULL DEFAULT '{}', objects TEXT NOT NULL DEFAULT '{}',
        reason TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (engine, project, number)
    );
    CREATE TABLE plans (
        engine TEXT NOT NULL, project TEXT NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (engine, project, number, place)
    );
    CREATE TABLE outcomes (
        engine TEXT NOT NULL, project TEXT NOT NULL, number INTEGER NOT NULL, plan INTEGER NOT NULL,
        step INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, seconds REAL NOT NULL,
        PRIMARY KEY (engine, project, number, plan, step)
    );
    CREATE TABLE contents (digest TEXT PRIMARY KEY, encrypted INTEGER NOT NULL, content BLOB NOT NULL);
    CREATE TABLE uses (
        engine TEXT NOT NULL, project TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY (engine, project, number, digest)
    );
    """,
)


def open_database(folder: Path, migrations: Sequence[str] = MIGRATIONS) -> sqlite3.Connection:
    """The file in `folder`, both made where they are missing (0700, 0600).

    Raises SystemFailure for a file that a newer Rorqual wrote, that is damaged, or that can't be written.
    """
    path = folder / FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its journal files the mode of the database
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise SystemFailure(f"can't keep a ledger at {path}: {error.strerror}") from error
    with told(path):
        # transactions are begun and ended by hand: isolation_level None
        connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # a sync for each write would wait for the disk, which the engine keeps busy: after a loss of power the file
            # is whole, and may lack what was written after its last finished release (store._writing)
            connection.execute("PRAGMA synchronous = NORMAL")
            migrate(connection, path, migrations)
        except BaseException:
            connection.close()
            raise
    return connection


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Run what the file hasn't seen yet, all of it or nothing."""
    if version_of(connection) == len(migrations):
        return
    with transaction(connection):
        # asked again inside: another process may have been first
        version = version_of(connection)
        if version > len(migrations):
            raise SystemFailure(f"{path} was written by a newer Rorqual (schema {version}): upgrade this one")
        for script in migrations[version:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All the writes within, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


@contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's failures as SystemFailure, naming the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        what = "is damaged" if type(error) is sqlite3.DatabaseError else "can't be used"
        hint = "move it away to begin a new history" if what == "is damaged" else "is its disk full or read-only?"
        raise SystemFailure(f"the ledger {path} {what} ({error}): {hint}") from error
