"""Binds, mounts, tmpfs, volumes and borrowed ones, planned."""

from __future__ import annotations

from typing import Any

import pytest

from engine.api.errors import InvalidArgument
from engine.daemon.containers.mount_plan import parse_bind, parse_mount, planned_mounts
from engine.daemon.containers.record import MountRecord


def plan(config: dict[str, Any] | None = None, **host: Any) -> dict[str, MountRecord]:
    return {mount.destination: mount for mount in planned_mounts(config or {}, host, lambda name: [])}


def test_a_bind_has_source_mode_and_propagation() -> None:
    found = parse_bind("/a//b:/c/../d:ro,rslave", "")
    assert (found.kind, found.source, found.destination) == ("bind", "/a/b", "/d")
    assert (found.read_only, found.propagation, found.create_source) == (True, "rslave", True)


def test_a_word_without_a_slash_is_a_volume() -> None:
    found = parse_bind("cache:/c:nocopy", "")
    assert (found.kind, found.name, found.no_copy, found.anonymous) == ("volume", "cache", True, False)


@pytest.mark.parametrize("text", ["", "a:b:c:d", "/a:rel", "/a:/", "/a:/b:odd", "x y:/b", "n:/b:shared"])
def test_a_bind_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_bind(text, "")


def test_a_missing_source_is_a_fault_for_mounts_and_made_for_binds() -> None:
    found = parse_mount({"Type": "bind", "Source": "/a", "Target": "/b"})
    assert found.strict and not found.create_source
    made = parse_mount({"Type": "bind", "Source": "/a", "Target": "/b", "BindOptions": {"CreateMountpoint": True}})
    assert made.create_source and not made.strict


def test_tmpfs_options_become_mount_options() -> None:
    found = parse_mount({"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o700}})
    assert found.options == ["size=4096", "mode=700"]


@pytest.mark.parametrize("path", ["../x", "/abs", "a/../../x"])
def test_a_subpath_cannot_leave_its_volume(path: str) -> None:
    with pytest.raises(InvalidArgument, match="leaves the volume"):
        parse_mount({"Type": "volume", "Source": "vol", "Target": "/t", "VolumeOptions": {"Subpath": path}})


def test_one_place_has_one_mount() -> None:
    with pytest.raises(InvalidArgument, match="Duplicate mount point: /t"):
        plan(Binds=["/a:/t"], Tmpfs={"/t": ""})


def test_the_images_volume_gives_way_to_the_users_mount() -> None:
    found = plan({"Volumes": {"/data": {}, "/other": {}}}, Binds=["/host:/data"])
    assert found["/data"].kind == "bind"
    assert (found["/other"].kind, found["/other"].anonymous) == ("volume", True)


def test_borrowed_mounts_are_not_owned_and_may_be_made_read_only() -> None:
    theirs = [MountRecord("volume", "/v", name="x" * 64, anonymous=True), MountRecord("tmpfs", "/t")]
    found = planned_mounts({}, {"VolumesFrom": ["other:ro"]}, lambda name: theirs)
    assert [(m.destination, m.anonymous, m.read_only) for m in found] == [("/v", False, True)]


def test_outer_mounts_come_before_inner_ones() -> None:
    assert list(plan(Binds=["/x:/a/b/c", "/y:/a", "/z:/a/b"])) == ["/a", "/a/b", "/a/b/c"]
