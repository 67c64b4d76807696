"""Volumes: held by containers that are no more, without a record, without a folder. Data is never removed here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from engine.daemon.checking import Finding, in_thread
from engine.daemon.volumes.volumes import LocalVolumes


async def volume_findings(volumes: LocalVolumes, containers: Callable[[], Collection[str]]) -> list[Finding]:
    """`containers` tells the ids of all, those that are being made too."""
    holders, known = volumes.held(), containers()
    found = []
    for name, holder in holders:
        if holder not in known:
            fault = f"held by the container {holder[:12]}, which is no more"
            found.append(Finding("volume", name, fault, "let it go", partial(volumes.release, name, holder)))
    for name in volumes.unrecorded():
        again = in_thread(volumes.record_again, name)
        found.append(Finding("volume", name, "its record is gone", "write the record again", again))
    for name in volumes.without_folder():
        made = in_thread(volumes.make_folder, name)
        found.append(Finding("volume", name, "its folder is gone, with the data", "make an empty one", made))
    for path in volumes.strays():
        remedy = f"create a volume {path.name} to have its data again, or remove the folder"
        found.append(Finding("volume", str(path), "no record names the folder", remedy))
    return found
