"""Processes that must outlive ours are begun in cgroups of their own: a service manager ends a unit by its cgroup.

Where ours is the root cgroup, as outside of a unit or session, there is nothing to leave. Source: cgroups(7),
systemd.kill(5).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

# Each place's file in turn takes the shell; one that refuses is not worth a failed start.
ENTER = 'while [ "$1" != -- ]; do { echo $$ >"$1"; } 2>/dev/null || :; shift; done; shift; exec "$@"'


def places_apart(name: str) -> list[Path]:
    """`name`'s cgroup in the hierarchies by which services are followed, where this process is not in their root.

    Made where it isn't there. By a path that leads there from other mount namespaces too.
    """
    found = []
    points = mount_points(Path("/proc/self/mountinfo").read_text().splitlines())
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, ours = line.split(":", 2)
        if ours == "/" or (point := points.get(controllers)) is None:
            continue
        place = point / name.lstrip("/")
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            found.append(Path(f"/proc/{os.getpid()}/root{place}"))
    return found


def mount_points(lines: Iterable[str]) -> dict[str, Path]:
    """Of version 2 (""), and of version 1's hierarchy without controllers ("name=systemd"): where each is mounted."""
    found: dict[str, Path] = {}
    for line in lines:
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(maxsplit=2)
        named = next((word for word in options.split(",") if word.startswith("name=")), "")
        if kind == "cgroup2" or (kind == "cgroup" and named):
            found.setdefault(named, Path(left.split()[4]))
    return found


def apart(command: Sequence[str], places: Sequence[Path]) -> list[str]:
    """The command that begins in these cgroups; the same process, whatever forks later."""
    if not places:
        return list(command)
    return ["/bin/sh", "-c", ENTER, "sh", *(f"{place}/cgroup.procs" for place in places), "--", *command]
