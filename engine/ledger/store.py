"""The ledger: releases recorded before the first write, finished after the last, kept and let go. One SQLite file.

Recording comes first and convergence never reads it: a ledger that can't be opened costs the history, not the host.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.api.errors import NotFound
from engine.kit.owner import Owner, provably_gone
from engine.ledger.database import open_database, told, transaction
from engine.ledger.release import FILE, Commit, Content, Intent, Json, Key, Pin, Release, State, StepOutcome, Summary
from engine.ledger.sealing import digests_in
from engine.ledger.vault import Vault

KEEP = 10
OF_RELEASE = "engine = ? AND project = ? AND number = ?"
SUMMARY = """
SELECT number, kind, state, began, ended, intent, reason,
    (SELECT SUM(json_array_length(document, '$.steps')) FROM plans p
     WHERE (p.engine, p.project, p.number) = (r.engine, r.project, r.number)),
    (SELECT COUNT(*) FROM outcomes o
     WHERE (o.engine, o.project, o.number) = (r.engine, r.project, r.number) AND o.status = 'failed')
FROM releases r WHERE engine = ? AND project = ? ORDER BY number DESC
"""


class Ledger:
    """`folder` holds the file and, beside it, the key of what is encrypted in it."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        """Raises SystemFailure for a file that can't be used."""
        self.path = folder / FILE
        self.vault = Vault(folder)
        self._now = now
        self._connection = open_database(folder)

    def close(self) -> None:
        self._connection.close()

    # Writing, in the order in which it happens.

    def begin(
        self,
        key: Key,
        intent: Intent,
        plan: Json,
        contents: Mapping[str, bytes] | None = None,
        secrets: Mapping[str, bytes] | None = None,
    ) -> int:
        """Record a release before its first write; return its number. `contents` and `secrets` by digest: the former
        are kept as they are, the latter encrypted.
        """
        plain, sealed = contents or {}, {d: self.vault.seal(d, v) for d, v in (secrets or {}).items()}
        with self._writing():
            query = "SELECT COALESCE(MAX(number), 0) + 1 FROM releases WHERE engine = ? AND project = ?"
            number = int(self._connection.execute(query, key).fetchone()[0])
            self._connection.execute(
                "INSERT INTO releases (engine, project, number, kind, state, began, intent, spec) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*key, number, intent.kind, State.BEGUN, self._now(), about(intent), dumped(intent.spec)),
            )
            self._connection.execute("INSERT INTO plans VALUES (?, ?, ?, 0, ?)", (*key, number, dumped(plan)))
            for encrypted, items in ((0, plain), (1, sealed)):
                for digest, content in items.items():
                    # replaced: what was sealed under a key that is lost is sealed anew under this one
                    self._connection.execute("REPLACE INTO contents VALUES (?, ?, ?)", (digest, encrypted, content))
            digests = {
                *plain,
                *sealed,
                *digests_in(intent.spec).values(),
                *(c.digest for c in intent.contents.values()),
            }
            rows = [(*key, number, digest) for digest in digests]
            self._connection.executemany("INSERT OR IGNORE INTO uses VALUES (?, ?, ?, ?)", rows)
        return number

    def add_plan(self, key: Key, number: int, plan: Json) -> int:
        """Another plan of the same release; return its place, for outcomes."""
        with self._writing():
            query = f"SELECT COUNT(*) FROM plans WHERE {OF_RELEASE}"
            place = int(self._connection.execute(query, (*key, number)).fetchone()[0])
            self._connection.execute("INSERT INTO plans VALUES (?, ?, ?, ?, ?)", (*key, number, place, dumped(plan)))
        return place

    def add_outcome(self, key: Key, number: int, outcome: StepOutcome) -> None:
        """Of one step, as it ends. Not synced (database): a killed run loses none, lost power may lose the last."""
        with told(self.path):
            self._connection.execute("REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*key, number, *outcome))

    def finish(
        self,
        key: Key,
        number: int,
        state: State,
        *,
        images: Mapping[str, Pin] | None = None,
        objects: Mapping[str, Json] | None = None,
        reason: str = "",
    ) -> None:
        """How it ended. `images` is what each service ran, `objects` maps a container's id to what was last applied."""
        pins = {name: [pin.id, list(pin.digests)] for name, pin in (images or {}).items()}
        with self._writing(synced=True):
            self._connection.execute(
                f"UPDATE releases SET state = ?, ended = ?, images = ?, objects = ?, reason = ? WHERE {OF_RELEASE}",
                (state, self._now(), dumped(pins), dumped(dict(objects or {})), reason, *key, number),
            )

    def prune(self, key: Key, keep: int = KEEP) -> list[int]:
        """Let go of all but the newest `keep` good releases; return the numbers that went.

        Failed attempts go with the good release before them, and are never more than `keep` themselves. The newest
        entry stays, so that no number is given twice.
        """
        history = self.history(key)
        all_good = [s.number for s in history if s.good]
        good = all_good[:keep]
        oldest = good[-1] if len(all_good) > keep else 0
        others = [s.number for s in history if not s.good and s.number > oldest][: max(keep, 1)]
        stay = {
            *good,
            *others,
            *(s.number for s in history[:1]),
            *(s.number for s in history if s.state is State.BEGUN),
        }
        gone = [s.number for s in history if s.number not in stay]
        if gone:
            with self._writing():
                for table in ("releases", "plans", "outcomes", "uses"):
                    rows = [(*key, number) for number in gone]
                    self._connection.executemany(f"DELETE FROM {table} WHERE {OF_RELEASE}", rows)
                self._connection.execute("DELETE FROM contents WHERE digest NOT IN (SELECT digest FROM uses)")
        return gone

    # Reading.

    def projects(self) -> list[Key]:
        """Every project that has a history, on every engine."""
        with told(self.path):
            return [Key(*row) for row in self._connection.execute("SELECT DISTINCT engine, project FROM releases")]

    def history(self, key: Key) -> list[Summary]:
        """Newest first. A release that was begun by a process that is gone is interrupted."""
        with told(self.path):
            return [summary_of(row) for row in self._connection.execute(SUMMARY, key)]

    def release(self, key: Key, number: int) -> Release:
        """Raises NotFound, saying which numbers there are."""
        with told(self.path):
            columns = "state, began, ended, intent, spec, images, objects, reason"
            query = f"SELECT {columns} FROM releases WHERE {OF_RELEASE}"
            row = self._connection.execute(query, (*key, number)).fetchone()
            if row is None:
                raise NotFound(self._unknown(key, number))
            select = f"FROM plans WHERE {OF_RELEASE} ORDER BY place"
            plans = [json.loads(p) for (p,) in self._connection.execute(f"SELECT document {select}", (*key, number))]
            select = f"SELECT plan, step, status, reason, seconds FROM outcomes WHERE {OF_RELEASE} ORDER BY rowid"
            outcomes = [StepOutcome(*o) for o in self._connection.execute(select, (*key, number))]
        state, began, ended, intent, spec, images, objects, reason = row
        read = read_intent(json.loads(intent))._replace(spec=json.loads(spec))
        pins = {name: Pin(id, tuple(digests)) for name, (id, digests) in json.loads(images).items()}
        return Release(
            key,
            number,
            settled(state, read.owner),
            began,
            ended,
            read,
            tuple(plans),
            tuple(outcomes),
            pins,
            json.loads(objects),
            reason,
        )

    def last_good(self, key: Key, *, before: int | None = None, standing: bool = True) -> Summary | None:
        """The newest good release, or the newest before a number; `standing` passes over those that took all down."""
        for summary in self.history(key):
            earlier = before is None or summary.number < before
            if summary.good and earlier and not (standing and summary.kind == "down"):
                return summary
        return None

    def newest_objects(self, key: Key) -> dict[str, Json]:
        """By container id what was last applied to it, as the newest release that knows of any recorded it."""
        with told(self.path):
            query = (
                "SELECT objects FROM releases WHERE engine = ? AND project = ? AND objects != '{}' "
                "ORDER BY number DESC LIMIT 1"
            )
            row = self._connection.execute(query, key).fetchone()
        return {} if row is None else json.loads(row[0])

    def content(self, digest: str) -> bytes | None:
        """What a digest of a release stands for; None where it is encrypted and can't be opened, or isn't kept."""
        with told(self.path):
            query = "SELECT encrypted, content FROM contents WHERE digest = ?"
            row = self._connection.execute(query, (digest,)).fetchone()
        if row is None:
            return None
        return self.vault.open(digest, row[1]) if row[0] else bytes(row[1])

    def pinned(self, keys: Iterable[Key]) -> set[str]:
        """The ids of all images that releases in the ledger need."""
        with told(self.path):
            query = "SELECT images FROM releases WHERE engine = ? AND project = ?"
            rows = [row for key in keys for row in self._connection.execute(query, key)]
        return {id for (images,) in rows for id, _ in json.loads(images).values()}

    def _unknown(self, key: Key, number: int) -> str:
        numbers = [s.number for s in self.history(key)]
        if not numbers:
            return f"project {key.project} has no history on this engine: no release was recorded here"
        return f"project {key.project} has no release {number}: there are {min(numbers)} to {max(numbers)}"

    @contextmanager
    def _writing(self, *, synced: bool = False) -> Iterator[None]:
        """`synced`: on the disk before it goes on."""
        with told(self.path):
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            with transaction(self._connection):
                yield


@contextmanager
def opened(folder: Path) -> Iterator[Ledger]:
    """Raises SystemFailure for a file that can't be used."""
    with contextlib.closing(Ledger(folder)) as ledger:
        yield ledger


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def settled(state: str, owner: Owner) -> State:
    found = State(state)
    return State.INTERRUPTED if found is State.BEGUN and provably_gone(owner) else found


def about(intent: Intent) -> str:
    """An intent but for its spec, which is large, and which a history doesn't show."""
    owner, commit = intent.owner._asdict(), intent.commit
    rest = {k: v for k, v in intent._asdict().items() if k != "spec"}
    tables = {name: dict(getattr(intent, name)) for name in ("contents", "capabilities", "unkept")}
    return dumped({**rest, **tables, "owner": owner, "commit": commit and commit._asdict()})


def read_intent(document: Json) -> Intent:
    commit = document["commit"]
    owner = Owner(**document["owner"])
    contents = {path: Content(*found) for path, found in document["contents"].items()}
    return Intent(
        **{**document, "spec": {}, "owner": owner, "commit": commit and Commit(**commit), "contents": contents}
    )


def summary_of(row: tuple[Any, ...]) -> Summary:
    number, kind, state, began, ended, intent, reason, steps, failed = row
    read = read_intent(json.loads(intent))
    return Summary(
        number,
        kind,
        settled(state, read.owner),
        began,
        ended,
        f"{read.owner.user}@{read.owner.host}",
        read.command,
        read.commit,
        reason,
        read.source,
        steps or 0,
        failed,
    )
