"""The removal of a volume, cut off: what is left of it is nobody's."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest

from engine.api.volumes import VolumeCreate
from engine.daemon.events import EventBus
from engine.daemon.store.records import RecordStore
from engine.daemon.volumes.volumes import LocalVolumes
from engine.kit.clock import SystemClock

DATA: VolumeCreate = {"Name": "data"}


def test_a_removal_that_is_cut_off_leaves_nothing_to_the_next_volume_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RecordStore(tmp_path / "db")

    def opened() -> LocalVolumes:
        return LocalVolumes(tmp_path / "volumes", store, EventBus(SystemClock()), SystemClock())

    volumes = opened()
    anyio.run(volumes.create, DATA)
    (volumes.folder("data") / "secret").write_text("old")
    with monkeypatch.context() as patched:
        # the crash: nothing of the files is removed
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        anyio.run(volumes.remove, "data")
    assert volumes.strays() == []
    anyio.run(volumes.create, DATA)
    assert list(volumes.folder("data").iterdir()) == []
    assert len(list((tmp_path / "volumes").iterdir())) == 2
    again = opened()
    assert [path.name for path in (tmp_path / "volumes").iterdir()] == ["data"]
    assert again.get("data")["Name"] == "data"
