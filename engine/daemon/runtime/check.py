"""What of containers lies in the run folder (bundles, runtimes' state, shared memory, mounts) and belongs to none."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from engine.daemon.checking import Finding, in_thread
from engine.daemon.runtime.conmon import NAME_LENGTH, ConmonRuntime
from engine.kit.syscalls import unmount


async def runtime_findings(runtime: ConmonRuntime, known: Collection[str]) -> list[Finding]:
    """`known` are the ids of all containers, those that are being made too."""
    short = {id[:NAME_LENGTH] for id in known}
    found = []
    # A root is mounted where only its container sees it: one that the daemon sees is a leak, whoever's it was.
    for point in mounts_below(runtime.bundles):
        found.append(
            Finding(
                "mount", str(point), "a mount that no container needs", "unmount it", in_thread(unmount, str(point))
            )
        )
    for place, names in ((runtime.bundles, short), (runtime.state, known), (runtime.memory, known)):
        for path in strays_in(place, names):
            remove = in_thread(clear, path)
            found.append(Finding("container", str(path), "no container has this folder", "end and remove it", remove))
    return found


def strays_in(place: Path, names: Collection[str]) -> list[Path]:
    return [path for path in place.iterdir() if path.name not in names] if place.is_dir() else []


def mounts_below(folder: Path) -> list[Path]:
    """The mounts that this process sees below a folder, the innermost first. Source: proc_pid_mountinfo(5)."""
    points = [
        Path(line.split()[4].encode().decode("unicode_escape"))
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    root = folder.resolve()
    return [point for point in reversed(points) if root in point.parents]


def clear(path: Path) -> None:
    """Remove a folder and the mounts on and in it: first these, lest what is mounted is emptied. Raises OSError."""
    for point in [*mounts_below(path), *([path] if os.path.ismount(path) else [])]:
        unmount(str(point))
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
