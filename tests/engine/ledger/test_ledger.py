"""Releases as they are recorded, read, and let go; what a file is that nobody can read, and a key that is gone."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from engine.api.errors import NotFound, SystemFailure
from engine.kit.owner import Owner, provably_gone, this_process
from engine.ledger.database import MIGRATIONS, open_database
from engine.ledger.release import FILE, Commit, Intent, Key, Pin, State, StepOutcome
from engine.ledger.sealing import Sealing, digests_in, unsealed
from engine.ledger.store import Ledger
from engine.ledger.vault import KEY_FILE

SHOP = Key("engine-1", "shop")
PLAN = {"steps": [{"id": 1, "address": "service.web.1", "action": "create"}]}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ticks = count(1000)
    found = Ledger(tmp_path / "ledger", now=lambda: float(next(ticks)))
    yield found
    found.close()


def intent(kind: str = "up", owner: Owner | None = None, image: str = "a:1") -> Intent:
    spec = {"name": "shop", "services": {"web": {"image": image}}}
    return Intent(kind, "rorqual up", owner or this_process(), spec, {"scale": {}}, commit=Commit("ab" * 20, True))


def released(ledger: Ledger, state: State = State.DONE, kind: str = "up") -> int:
    number = ledger.begin(SHOP, intent(kind), PLAN)
    ledger.finish(SHOP, number, state)
    return number


def test_a_release_is_there_before_it_ends_and_whole_afterwards(ledger: Ledger) -> None:
    number = ledger.begin(SHOP, intent(), PLAN, {"sha256:1": b"a = 1\n"})
    assert [(s.number, s.state) for s in ledger.history(SHOP)] == [(1, State.BEGUN)]
    place = ledger.add_plan(SHOP, number, PLAN)
    ledger.add_outcome(SHOP, number, StepOutcome(place, 1, "done", seconds=0.5))
    ledger.finish(SHOP, number, State.DONE, images={"a:1": Pin("sha256:i", ("a@sha256:d",))}, objects={"c1": {"x": 1}})
    release = ledger.release(SHOP, 1)
    assert (release.state, release.began, release.ended) == (State.DONE, 1000.0, 1001.0)
    assert release.intent == intent()
    assert release.plans == (PLAN, PLAN)
    assert release.outcomes == (StepOutcome(1, 1, "done", "", 0.5),)
    assert release.images == {"a:1": Pin("sha256:i", ("a@sha256:d",))}
    assert release.objects == {"c1": {"x": 1}}
    assert ledger.content("sha256:1") == b"a = 1\n"


def test_a_release_whose_process_is_gone_is_interrupted(ledger: Ledger) -> None:
    mine = this_process()
    ledger.begin(SHOP, intent(owner=mine._replace(start="1")), PLAN)
    ledger.begin(SHOP, intent(owner=mine._replace(boot="another")), PLAN)
    ledger.begin(SHOP, intent(owner=mine._replace(boot="another", machine="another")), PLAN)
    ledger.begin(SHOP, intent(owner=mine), PLAN)
    states = [s.state for s in reversed(ledger.history(SHOP))]
    assert states == [State.INTERRUPTED, State.INTERRUPTED, State.BEGUN, State.BEGUN]


def test_a_process_in_another_pid_namespace_is_never_taken_for_gone() -> None:
    assert not provably_gone(this_process()._replace(namespace="pid:[1]", pid="999999999"))
    assert provably_gone(this_process()._replace(pid="999999999"))


def test_projects_and_engines_count_by_themselves(ledger: Ledger) -> None:
    released(ledger)
    other = Key("engine-2", "shop")
    assert ledger.begin(other, intent(), PLAN) == 1
    assert ledger.begin(SHOP, intent(), PLAN) == 2
    assert sorted(ledger.projects()) == [SHOP, other]


def test_keep_counts_good_releases_and_no_number_is_given_twice(ledger: Ledger) -> None:
    for state in (State.DONE, State.FAILED, State.DONE, State.FAILED, State.DONE, State.FAILED):
        released(ledger, state)
    assert ledger.prune(SHOP, keep=2) == [2, 1]
    assert [s.number for s in ledger.history(SHOP)] == [6, 5, 4, 3]
    assert released(ledger) == 7


def test_failures_without_end_are_let_go_too_but_never_the_good_one_before(ledger: Ledger) -> None:
    released(ledger)
    for _ in range(9):
        released(ledger, State.FAILED)
    ledger.prune(SHOP, keep=3)
    assert [s.number for s in ledger.history(SHOP)] == [10, 9, 8, 1]


def test_contents_go_with_the_last_release_that_needs_them(ledger: Ledger) -> None:
    for digests in ({"one": b"1", "both": b"b"}, {"two": b"2", "both": b"b"}):
        number = ledger.begin(SHOP, intent(), PLAN, digests)
        ledger.finish(SHOP, number, State.DONE)
    ledger.prune(SHOP, keep=1)
    assert [ledger.content(d) for d in ("one", "two", "both")] == [None, b"2", b"b"]


def test_the_last_good_release_is_no_failure_and_no_down(ledger: Ledger) -> None:
    first = released(ledger)
    second = released(ledger)
    down = released(ledger, kind="down")
    released(ledger, State.FAILED)
    found = ledger.last_good(SHOP)
    assert found is not None and found.number == second
    found = ledger.last_good(SHOP, standing=False)
    assert found is not None and found.number == down
    found = ledger.last_good(SHOP, before=second)
    assert found is not None and found.number == first
    assert ledger.last_good(SHOP, before=first) is None


def test_an_unknown_release_is_refused_with_those_that_there_are(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="project shop has no history on this engine"):
        ledger.release(SHOP, 1)
    released(ledger)
    with pytest.raises(NotFound, match="project shop has no release 7: there are 1 to 1"):
        ledger.release(SHOP, 7)


def test_secrets_are_encrypted_in_the_file_and_open_only_with_the_key(ledger: Ledger, tmp_path: Path) -> None:
    ledger.begin(SHOP, intent(), PLAN, secrets={"hmac:k:1": b"correct horse battery"})
    assert ledger.content("hmac:k:1") == b"correct horse battery"
    for path in (tmp_path / "ledger").iterdir():
        assert b"correct horse" not in path.read_bytes()
    (tmp_path / "ledger" / KEY_FILE).unlink()
    assert ledger.content("hmac:k:1") is None
    # recorded again, it opens again: under a new key
    ledger.begin(SHOP, intent(), PLAN, secrets={"hmac:k:1": b"correct horse battery"})
    assert ledger.content("hmac:k:1") == b"correct horse battery"


def test_a_broken_key_file_is_replaced_when_there_is_something_to_seal(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "ledger" / KEY_FILE).write_bytes(b"short")
    assert ledger.content("hmac:k:1") is None
    ledger.begin(SHOP, intent(), PLAN, secrets={"hmac:k:1": b"value"})
    assert ledger.content("hmac:k:1") == b"value"


def test_nobody_else_may_read_anything_of_it(ledger: Ledger, tmp_path: Path) -> None:
    ledger.begin(SHOP, intent(), PLAN, secrets={"hmac:k:1": b"value"})
    folder = tmp_path / "ledger"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == dict.fromkeys(
        (FILE, f"{FILE}-wal", f"{FILE}-shm", KEY_FILE), 0o600
    )


def test_a_schema_is_brought_forward_step_by_step(tmp_path: Path) -> None:
    later = (*MIGRATIONS, "ALTER TABLE releases ADD COLUMN note TEXT", "UPDATE releases SET note = kind")
    old = Ledger(tmp_path)
    released(old)
    old.close()
    connection = open_database(tmp_path, later)
    assert connection.execute("SELECT number, note FROM releases").fetchall() == [(1, "up")]
    connection.close()
    with pytest.raises(SystemFailure, match="written by a newer Rorqual"):
        Ledger(tmp_path)


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    Ledger(tmp_path).close()
    with pytest.raises(SystemFailure):
        open_database(tmp_path, (*MIGRATIONS, "CREATE TABLE more (x); CREATE TABLE releases (x)"))
    connection = sqlite3.connect(tmp_path / FILE)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "more" not in names and "releases" in names
    connection.close()
    Ledger(tmp_path).close()


def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(SystemFailure, match=r"is damaged .*move it away"):
        Ledger(tmp_path)
    assert (tmp_path / FILE).read_bytes().startswith(b"no database")


@pytest.mark.parametrize("line", range(4))
def test_a_process_killed_between_any_two_writes_leaves_a_ledger_that_can_be_read(tmp_path: Path, line: int) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            found = Ledger(tmp_path)
            number = 0
            writes: list[Callable[[], object]] = [
                lambda: found.begin(SHOP, intent(), PLAN, secrets={"hmac:k:1": b"v"}),
                lambda: found.add_outcome(SHOP, 1, StepOutcome(0, 1, "done")),
                lambda: found.add_plan(SHOP, 1, PLAN),
                lambda: found.finish(SHOP, 1, State.DONE),
            ]
            for number, write in enumerate(writes):
                write()
                if number == line:
                    os._exit(9)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    ledger = Ledger(tmp_path)
    release = ledger.release(SHOP, 1)
    assert release.state is (State.DONE if line == 3 else State.INTERRUPTED)
    assert [o.status for o in release.outcomes] == (["done"] if line else [])
    assert ledger.begin(SHOP, intent(), PLAN) == 2
    ledger.close()


def test_a_sensitive_value_is_sealed_where_it_stands_and_wherever_it_turns_up() -> None:
    document = {
        "services": {
            "web": {
                "environment": {"PASSWORD": "pw", "MODE": "dev"},
                "command": ["serve", "--token=tok-123456"],
                "scale": 2,
            }
        },
        "secrets": {"key": {"content": "tok-123456"}},
    }
    sealing = Sealing(lambda v: f"hmac:k:{len(v)}", ["pw", "tok-123456"], lambda path: path[-1] == "PASSWORD")
    sealed = sealing.sealed(document)
    assert "tok-123456" not in str(sealed) and "'pw'" not in str(sealed)
    assert digests_in(sealed) == {
        "services.web.environment.PASSWORD": "hmac:k:2",
        "services.web.command.1": "hmac:k:18",
        "secrets.key.content": "hmac:k:10",
    }
    assert unsealed(sealed, sealing.found) == document
