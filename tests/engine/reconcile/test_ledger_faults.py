"""Whatever befalls the ledger, `up` converges and says what wasn't recorded; and of two at once one waits."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.ledger.release import FILE
from tests.engine.reconcile.test_releases import begin, locks, state, told, workshop
from tests.engines import RunningEngine
from tests.workshop import Workshop

pytestmark = pytest.mark.root
WEB = """
services:
  web:
    image: {image}
    command: sleep {seconds}
    init: true
    stop_grace_period: 0s
    environment: {{DB_PASSWORD: hunter22}}
{more}
"""
# Loaded by Python itself when it starts: the process dies right before its Nth statement that writes.
DYING = """
import os, signal, sqlite3

left = int(os.environ["DIE_AT"])
WRITES = ("INSERT", "UPDATE", "REPLACE", "DELETE", "BEGIN", "COMMIT", "CREATE", "PRAGMA user_version =")

class Dying(sqlite3.Connection):
    def execute(self, sql, *rest):
        self.count(sql)
        return super().execute(sql, *rest)

    def executemany(self, sql, *rest):
        self.count(sql)
        return super().executemany(sql, *rest)

    def count(self, sql):
        global left
        if sql.strip().startswith(WRITES):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

connect = sqlite3.connect
sqlite3.connect = lambda *words, **flags: connect(*words, **flags, factory=Dying)
"""
SAMPLE = 5


@pytest.fixture
def shop(tmp_path: Path, rorqual_engine: RunningEngine, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    yield from workshop(tmp_path, rorqual_engine, request)


def web(shop: Workshop, seconds: int = 1000, more: str = "") -> None:
    shop.write(WEB.format(image=shop.engine.image, seconds=seconds, more=more))


def command(shop: Workshop) -> list[str]:
    found: list[str] = shop.inspect(f"{shop.name}-web-1")["Config"]["Cmd"]
    return found


@pytest.fixture
def dying(tmp_path: Path) -> Path:
    place = tmp_path / "dying"
    place.mkdir()
    (place / "sitecustomize.py").write_text(DYING)
    return place


def killed_at(shop: Workshop, dying: Path, moment: int) -> bool:
    """An `up` that dies before its statement of that number; False where it has fewer."""
    before = dict(shop.environment)
    shop.environment |= {"PYTHONPATH": str(dying), "DIE_AT": str(moment)}
    try:
        done = shop.call([sys.executable, "-m", "engine.cli.main", "up", "-d"], 120)
    finally:
        shop.environment = before
    assert done.returncode in {0, -9}, done.stderr
    return done.returncode == -9


def test_killed_between_any_two_writes_of_the_ledger_the_next_run_converges_and_goes_on_with_the_history(
    shop: Workshop, dying: Path
) -> None:
    web(shop)
    assert not killed_at(shop, dying, 10_000)
    assert told(shop) == [(1, "up", "done")]
    every = range(1, 30)
    moments = list(every) if os.environ.get("RORQUAL_CHAOS") else sorted(random.Random(7).sample(every[:15], SAMPLE))
    good = 1
    for moment in moments:
        web(shop, 2000 + moment)
        died = killed_at(shop, dying, moment)
        shop.run("up", "-d", "--lock-timeout", "0")
        assert command(shop) == ["sleep", str(2000 + moment)]
        rows = told(shop)
        assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
        assert {row[2] for row in rows} <= {"done", "interrupted"}
        good += 1 if not died else 0
    assert len([row for row in told(shop) if row[2] == "done"]) >= min(10, good)
    # with nothing left to write nobody took the dead one's lock: the next who writes does
    shop.run("down", "--lock-timeout", "0")
    assert locks(shop) == ""
    connection = sqlite3.connect(state(shop) / "ledger" / FILE)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_state_that_is_read_only_costs_the_record_and_not_the_host(shop: Workshop) -> None:
    web(shop)
    with mounted(state(shop), "ro"):
        done = shop.run("up", "-d")
        assert "this release is not recorded as it should be: can't keep a ledger" in done.stderr
        assert "sealed under a key of this run only" in done.stderr and "Traceback" not in done.stderr
        assert command(shop) == ["sleep", "1000"] and locks(shop) == ""
        assert shop.plan()["steps"] == []
    web(shop, 2000)
    shop.run("up", "-d")
    assert told(shop) == [(1, "up", "done")]


def test_a_full_disk_under_the_state_costs_the_record_and_not_the_host(shop: Workshop) -> None:
    web(shop)
    with mounted(state(shop), "size=64k"):
        (state(shop) / "filler").write_bytes(b"x" * (64 << 10))
        done = shop.run("up", "-d")
        assert "this release is not recorded as it should be" in done.stderr and "Traceback" not in done.stderr
        assert command(shop) == ["sleep", "1000"] and locks(shop) == ""
        (state(shop) / "filler").unlink()
        (state(shop) / "filler").write_bytes(b"x" * (40 << 10))
        web(shop, 2000)
        done = shop.run("up", "-d")
        assert "Traceback" not in done.stderr and command(shop) == ["sleep", "2000"]


def test_a_ledger_that_another_process_never_lets_go_of_is_said_and_passed_over(shop: Workshop) -> None:
    web(shop)
    shop.run("up", "-d")
    holder = sqlite3.connect(state(shop) / "ledger" / FILE, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        web(shop, 2000)
        done = shop.run("up", "-d")
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert "database is locked" in done.stderr and command(shop) == ["sleep", "2000"]
    web(shop, 3000)
    shop.run("up", "-d")
    assert told(shop) == [(2, "up", "done"), (1, "up", "done")]


def test_of_two_at_once_exactly_one_waits_and_both_end_right(shop: Workshop) -> None:
    slow = "    healthcheck: {test: [CMD, test, -e, /ok], interval: 200ms, retries: 99}\n"
    late = "  late: {image: IMAGE, command: sleep 1000, init: true, depends_on: {web: {condition: service_healthy}}}\n"
    more = slow + late.replace("IMAGE", shop.engine.image)
    web(shop, more=more)
    text = (shop.folder / "compose.yaml").read_text()
    shop.write(text.replace("sleep 1000\n", "sh -c 'sleep 1; touch /ok; sleep 1000'\n", 1))
    logs = [shop.folder / f"log{number}" for number in range(2)]
    with logs[0].open("wb") as one, logs[1].open("wb") as other:
        both = [begin(shop, "up", "-d", out=out) for out in (one, other)]
        codes = [process.wait(120) for process in both]
    words = [log.read_text() for log in logs]
    assert codes == [0, 0], words
    assert [("waiting for the lock" in said) for said in words].count(True) == 1, words
    assert set(shop.containers()) == {f"{shop.name}-web-1", f"{shop.name}-late-1"}
    assert shop.plan()["steps"] == [] and locks(shop) == ""
    assert told(shop) == [(1, "up", "done")], "the second found nothing left to do"
