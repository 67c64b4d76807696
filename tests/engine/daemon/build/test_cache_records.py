"""The cache's own book-keeping: what is kept over a restart, what goes first, what is no longer there."""

from __future__ import annotations

from pathlib import Path

from engine.daemon.build.cache import MOUNT, STEP, BuildCache
from engine.daemon.build.state import of_scratch
from engine.daemon.snapshots.layers import Layers
from engine.daemon.store.records import RecordStore
from engine.kit.clock import Clock, SystemClock


class Ticking(SystemClock):
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        self.seconds += 1
        return self.seconds


def opened(folder: Path, clock: Clock) -> BuildCache:
    store = RecordStore(folder / "records.db")
    return BuildCache(folder / "mounts", store, Layers(folder / "layers", store), clock)


def test_what_was_unused_for_longest_goes_first(tmp_path: Path) -> None:
    clock = Ticking()
    cache = opened(tmp_path, clock)
    begin = of_scratch({"os": "linux"})
    states = [begin.stepped(f"key{number}", "", f"step {number}") for number in range(3)]
    for state in states:
        cache.keep("scratch", state, "a step", 100)
    assert cache.find("key0") == states[0]
    again = opened(tmp_path, clock)
    assert not again.trim(300)
    assert again.trim(250)
    assert [again.find(f"key{number}") is not None for number in range(3)] == [True, False, True]


def test_a_step_whose_layers_are_gone_finds_nothing(tmp_path: Path) -> None:
    cache = opened(tmp_path, Ticking())
    state = of_scratch({}).stepped("key", "", "step", diff_id="sha256:" + "0" * 64)
    cache.keep("scratch", state, "a step", 1)
    assert cache.tops() == {state.top}
    assert cache.find("key") is None
    assert cache.tops() == set()


def test_a_cache_mounts_folder_is_shared_or_private_and_kept(tmp_path: Path) -> None:
    cache = opened(tmp_path, Ticking())
    first, fresh = cache.mount("/root/.cache", private=False)
    assert fresh and cache.mount("/root/.cache", private=False) == (first, False)
    other, _ = cache.mount("/root/.cache", private=True)
    assert other != first
    (first / "kept").touch()
    later, fresh = opened(tmp_path, Ticking()).mount("/root/.cache", private=True)
    assert (later, fresh, (later / "kept").exists()) == (first, False, True)


def test_a_check_finds_records_folders_and_layers_that_are_gone(tmp_path: Path) -> None:
    cache = opened(tmp_path, Ticking())
    cache.keep("scratch", of_scratch({}).stepped("step", "", "step"), "a step", 1)
    cache.keep("scratch", of_scratch({}).stepped("bare", "", "step", diff_id="sha256:" + "0" * 64), "a step", 1)
    folder, _ = cache.mount("/root/.cache", private=False)
    assert (cache.strays(), cache.unrecorded(), list(cache.lost())) == ([], [], ["bare"])
    (tmp_path / "mounts" / "nobody").mkdir()
    cache._store.delete(STEP, "step")
    cache._store.delete(MOUNT, folder.name)
    cache.release(folder)
    folder.rmdir()
    assert cache.strays() == [tmp_path / "mounts" / "nobody"]
    assert sorted(cache.unrecorded()) == sorted(["step", folder.name])
    assert sorted(cache.lost()) == sorted(["bare", folder.name])
    for key in cache.unrecorded():
        cache.record_again(key)
    for key in cache.lost():
        cache.drop(key)
    assert (cache.unrecorded(), cache.lost()) == ([], {})
    assert opened(tmp_path, Ticking()).find("step") is not None
