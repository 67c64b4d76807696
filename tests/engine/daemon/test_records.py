"""Records: whole or not there, whatever happens to the daemon or the file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from engine.api.errors import SystemFailure
from engine.daemon.store.records import RecordStore

WRITER = """
import sys
from pathlib import Path
from engine.api.errors import SystemFailure
from engine.daemon.store.records import RecordStore
store = RecordStore(Path(sys.argv[1]))
number = 0
while True:
    with store.transaction():
        store.put("pair", "a", number)
        store.put("pair", "b", number)
    print(number, flush=True)
    number += 1
"""


def test_a_record_is_there_for_the_next_daemon(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "db")
    store.put("network", "a", {"Name": "blue", "nested": [1, None]})
    store.put("network", "b", 1)
    store.delete("network", "b")
    store.delete("network", "never there")
    store.close()
    again = RecordStore(tmp_path / "db")
    assert again.list("network") == {"a": {"Name": "blue", "nested": [1, None]}}
    assert again.get("network", "b") is None and again.get("volume", "a") is None


def test_a_transaction_is_whole_or_nothing_and_may_lie_in_another(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "db")
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.put("a", "1", 1)
        with store.transaction():
            store.put("a", "2", 2)
        raise ZeroDivisionError
    assert store.list("a") == {}
    with store.transaction():
        store.put("a", "1", 1)
    assert store.list("a") == {"1": 1}


def test_a_killed_daemon_has_written_all_that_it_said_it_had(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
        said = int(process.stdout.read().split()[-1])
    store = RecordStore(tmp_path / "db")
    written = store.list("pair")
    assert written["a"] == written["b"] >= said


def test_a_corrupt_record_is_set_aside_and_the_others_are_served(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "db")
    store.put("a", "good", 1)
    store.put("a", "bad", 2)
    with sqlite3.connect(tmp_path / "db") as raw:
        raw.execute("UPDATE records SET record = '{' WHERE id = 'bad'")
    assert store.list("a") == {"good": 1}
    assert store.set_aside() == ["bad"]
    assert store.list("a") == {"good": 1} and store.list("corrupt") == {}


def test_a_damaged_file_is_set_aside_and_what_it_still_tells_is_kept(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "db")
    for number in range(2000):
        store.put("a", f"{number:04d}", "x" * 100)
    store.checkpoint()
    store.close()
    with (tmp_path / "db").open("r+b") as file:
        file.seek(120_000)
        file.write(os.urandom(9000))
    again = RecordStore(tmp_path / "db")
    assert 0 < len(again.list("a")) < 2000
    assert [path.name for path in tmp_path.iterdir() if ".damaged-" in path.name]
    again.put("a", "new", 1)
    assert again.get("a", "new") == 1


def test_a_file_that_is_no_database_does_not_stop_the_daemon(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(os.urandom(8192))
    store = RecordStore(tmp_path / "db")
    store.put("a", "1", 1)
    assert store.list("a") == {"1": 1}


def test_checkpoints_keep_the_journal_small_while_records_are_written(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "db")
    for number in range(500):
        store.put("a", "same", number)
    store.checkpoint()
    store.put("a", "same", -1)
    assert store.get("a", "same") == -1
    assert (tmp_path / "db").stat().st_size > 0


def test_a_full_disk_leaves_room_to_write_down_what_goes_and_none_for_what_is_new(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small file system")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(place)], check=True)
    try:
        store = RecordStore(place / "records.db")
        for number in range(200):
            store.put("kind", f"b{number}", {"text": "x" * 1000})
        with (place / "big").open("wb") as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        for number in range(300):
            with pytest.raises(SystemFailure, match="disk is full"), store.transaction():
                store.put("kind", "b0", {"text": "y"})
                store.put("kind", f"new{number}", {"text": "x" * 4000})
        assert store.get("kind", "b0") == {"text": "x" * 1000}, "nothing of a refused transaction stays"
        store.put("kind", "b0", {"text": "z" * 1000})
        for number in range(1, 200):
            store.delete("kind", f"b{number}")
        store.close()
        assert list(RecordStore(place / "records.db").list("kind")) == ["b0"]
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
