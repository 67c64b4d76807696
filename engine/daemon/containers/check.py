"""Containers: folders, bundles, cgroups, snapshots without one; containers without a record or a file system.

Ids are not given twice: what belongs to no container now never will.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from functools import partial
from pathlib import Path

from engine.daemon.checking import Finding, in_thread
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import KIND, Entry
from engine.daemon.protocols import MONITORS
from engine.daemon.runtime import cgroups
from engine.daemon.runtime.check import runtime_findings, strays_in

AT_REST = frozenset({"created", "exited", "dead"})


async def container_findings(rooms: Rooms) -> list[Finding]:
    # What is there first, then who is known: what is made in between is known.
    snapshots = set(rooms.snapshots.keys())
    known = rooms.shelf.ids()
    found = await runtime_findings(rooms.runtime, known)
    for place in (rooms.folder, rooms.run):
        for path in strays_in(place, known):
            found.append(
                Finding(
                    "container", str(path), "no container has this folder", "remove it", in_thread(shutil.rmtree, path)
                )
            )
    for key in snapshots - known:
        remove = partial(rooms.snapshots.remove, key)
        found.append(Finding("snapshot", key, "no container has it", "remove it", remove))
    return found + record_findings(rooms, snapshots) + cgroup_findings(rooms, known)


def record_findings(rooms: Rooms, snapshots: set[str]) -> list[Finding]:
    found = []
    recorded, entries = rooms.store.list(KIND).keys(), {entry.id: entry for entry in rooms.shelf}
    for id, entry in entries.items():
        if id not in recorded:
            found.append(
                Finding("container", id, "its record is gone", "write the record again", partial(save, rooms, entry))
            )
        if id not in snapshots:
            found.append(Finding("container", id, "its file system is gone", f"remove the container {id[:12]}"))
        if not (home := rooms.home_of(id)).is_dir():
            found.append(Finding("container", str(home), "its log's folder is gone", "make it", in_thread(make, home)))
    for id in recorded - entries.keys():
        forget = in_thread(rooms.store.delete, KIND, id)
        found.append(Finding("container", id, "its record means nothing", "forget it", forget))
    return found


def cgroup_findings(rooms: Rooms, known: Collection[str]) -> list[Finding]:
    """In our own parent whoever is unknown; in one that a user named, which others may use too, ours alone."""
    found = []
    for name in cgroups.below(rooms.cgroup_parent) - {*known, MONITORS}:
        path = f"{rooms.cgroup_parent}/{name}"
        remove = in_thread(cgroups.remove, path)
        found.append(
            Finding("cgroup", path, "no container has this cgroup", "end what is in it, and remove it", remove)
        )
    for entry in rooms.shelf:
        if entry.phase.value not in AT_REST or entry.lock.locked():
            continue
        parent = (entry.container.host.get("CgroupParent") or rooms.cgroup_parent).strip("/")
        path = f"/{parent}/{entry.id}"
        if any((root / path.lstrip("/")).is_dir() for root in set(cgroups.hierarchies().values())):
            fault = "the container has ended, and its cgroup is still there"
            found.append(Finding("cgroup", path, fault, "remove it", in_thread(cgroups.remove, path)))
    return found


async def save(rooms: Rooms, entry: Entry) -> None:
    if rooms.shelf.find(entry.id) is entry:
        rooms.shelf.save(entry)


def make(home: Path) -> None:
    home.mkdir(mode=0o710, parents=True, exist_ok=True)
