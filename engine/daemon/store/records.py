"""Records by kind and id in one SQLite file: whole or not there, in order, whenever the process may die.

SQLite runs in WAL mode with synchronous=NORMAL: a commit is a write(2) and no fsync (40 µs, not 5 ms), so a killed
daemon loses nothing, and a machine that loses power loses the last moments at most, in order. What can't be made
again from the network or the layers (an image's names) asks for `sync`. Checkpoints, which do sync, run in a thread.
A file that SQLite calls damaged is set aside and what can be read of it is kept. Some megabytes beside it are held in
reserve: on a full disk they are given to the records, so that what takes space can still be removed. What is new gets
none of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.api.errors import SystemFailure
from engine.daemon.protocols import Json

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL, id TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID
"""
FORMAT = 1
RESERVE = 4 << 20
# So long may the journal be while there is no reserve, in pages of 4 KiB.
PAGES_WHEN_FULL = 100


class RecordStore:
    """Records that can't be read are left out; they stay in the file under kind "corrupt"."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = open_or_mend(path)
        self._reserve = path.with_name(f"{path.name}-reserve")
        self._held = False
        self._hold_reserve()
        # the statements of the present transaction
        self._done: list[tuple[str, tuple[str, ...]]] = []

    def _hold_reserve(self) -> None:
        """Take the reserve where there is room for it."""
        with contextlib.suppress(OSError):
            space = os.statvfs(self._path.parent)
            self._held = self._reserve.exists()
            if not self._held and space.f_bavail * space.f_frsize > 2 * RESERVE:
                with self._reserve.open("xb") as file:
                    os.posix_fallocate(file.fileno(), 0, RESERVE)
                self._held = True
                self._connection.execute("PRAGMA wal_autocheckpoint = 0")

    def _execute(self, statement: str, values: tuple[str, ...] = ()) -> None:
        """On a full disk once more, with the reserve, unless it adds something. Raises SystemFailure."""
        try:
            try:
                self._connection.execute(statement, values)
            except sqlite3.OperationalError as error:
                if "full" not in str(error) or not self._reserve.exists() or self._adds(statement, values):
                    raise
                self._use_reserve()
                self._begin_again()
                self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise SystemFailure(f"can't write the engine's records to {self._path}: {error}") from error
        self._done.append((statement, values))

    def _use_reserve(self) -> None:
        """Room for the file and its journal, which begins anew in its own place and from now on stays short."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._reserve.unlink()
        self._held = False
        self._connection.execute("PRAGMA wal_checkpoint(RESTART)")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_WHEN_FULL}")

    def _adds(self, statement: str, values: tuple[str, ...]) -> bool:
        """Whether the transaction makes a record that isn't there yet: the reserve is for what takes others away."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        inserted = [row for text, row in [*self._done, (statement, values)] if text.startswith("INSERT")]
        known = "SELECT 1 FROM records WHERE kind = ? AND id = ?"
        return any(self._connection.execute(known, row[:2]).fetchone() is None for row in inserted)

    def _begin_again(self) -> None:
        """A full disk takes the whole transaction back: what was written in it is written again."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        for statement, values in self._done:
            self._connection.execute(statement, values)

    def put(self, kind: str, id: str, record: Json) -> None:
        text = json.dumps(record, separators=(",", ":"))
        self._write("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (kind, id, text))

    def get(self, kind: str, id: str) -> Json | None:
        with self._lock:
            row = self._connection.execute(
                "SELECT record FROM records WHERE kind = ? AND id = ?", (kind, id)
            ).fetchone()
        return None if row is None else self._decode(kind, id, row[0])

    # --- a check's
    @property
    def path(self) -> Path:
        return self._path

    def set_aside(self) -> list[str]:
        """Read every record → the ids of those set aside as damaged, now or before. Blocks."""
        with self._lock:
            rows = self._connection.execute("SELECT kind, id, record FROM records").fetchall()
        damaged = [id for kind, id, text in rows if kind != "corrupt" and self._decode(kind, id, text) is None]
        return sorted({*damaged, *(id for kind, id, _ in rows if kind == "corrupt")})

    def forget_set_aside(self, id: str) -> None:
        self.delete("corrupt", id)

    def verdict(self) -> str:
        """What SQLite says of its file: "ok", or the first damage. Blocks. On a connection of its own."""
        try:
            with contextlib.closing(sqlite3.connect(self._path)) as own:
                return str(own.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            return str(error)

    def list(self, kind: str) -> dict[str, Json]:
        with self._lock:
            rows = self._connection.execute("SELECT id, record FROM records WHERE kind = ?", (kind,)).fetchall()
        decoded = {id: self._decode(kind, id, text) for id, text in rows}
        return {id: record for id, record in decoded.items() if record is not None}

    def delete(self, kind: str, id: str) -> None:
        self._write("DELETE FROM records WHERE kind = ? AND id = ?", (kind, id))

    def _write(self, statement: str, values: tuple[str, ...]) -> None:
        with self.transaction():
            self._execute(statement, values)

    def _decode(self, kind: str, id: str, text: str) -> Json | None:
        """A record that is no JSON is moved aside, and said: the others must still be served."""
        try:
            return json.loads(text)
        except ValueError:
            print(f"rorqual: the record of {kind} {id} can't be read and is set aside", file=sys.stderr, flush=True)
            self._write("UPDATE OR REPLACE records SET kind = 'corrupt' WHERE kind = ? AND id = ?", (kind, id))
            return None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All the writes within, or none; transactions within are part of the outer one."""
        with self._lock:
            outermost = self._depth == 0
            self._depth += 1
            try:
                if outermost:
                    self._done.clear()
                    self._execute("BEGIN IMMEDIATE")
                yield
                if outermost:
                    self._execute("COMMIT")
                    if not self._held:
                        self._hold_reserve()
            except BaseException:
                if outermost and self._connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def checkpoint(self) -> None:
        """Carry the journal into the file, and sync both. Blocks: for a thread. On a connection of its own."""
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self._path)) as own:
            own.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def open_or_mend(path: Path) -> sqlite3.Connection:
    try:
        return open_database(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise SystemFailure(f"can't open the engine's records at {path}: {error}") from error
        print(f"rorqual: {path} is damaged ({error}); what can be read of it is kept", file=sys.stderr, flush=True)
    damaged = path.with_name(f"{path.name}.damaged-{os.urandom(3).hex()}")
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(damaged.with_name(damaged.name + ending))
    fresh = open_database(path)
    salvage(damaged, fresh)
    return fresh


def open_database(path: Path) -> sqlite3.Connection:
    # transactions are begun and ended by hand: isolation_level None
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA cache_size = -2000")
        connection.execute(SCHEMA)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT:
            raise SystemFailure(f"{path} was written by a newer Rorqual (format {version}); upgrade this one")
        if version != FORMAT:  # on a full disk what is written already can still be opened
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        if (verdict := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(verdict)
    except BaseException:
        connection.close()
        raise
    return connection


def salvage(damaged: Path, fresh: sqlite3.Connection) -> None:
    """Copy row by row what the damaged file still gives."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(damaged)) as old:
        for row in old.execute("SELECT kind, id, record FROM records"):
            fresh.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", row)
