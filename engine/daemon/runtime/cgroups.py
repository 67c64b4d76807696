"""The kernel's cgroups as files: where a container's are, who is in them, freezing, emptying, removing.

v1 and hybrid: one folder in each hierarchy; v2: one folder. Source: kernel's cgroup-v1/, cgroup-v2.rst.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from functools import cache
from pathlib import Path

# The name server's process is told to end a moment before its cgroup is taken away.
ENDING_SECONDS = 1.0
UNIFIED = Path("/sys/fs/cgroup/unified")
CONTROLLERS = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "net_cls", "net_prio"}


@cache
def hierarchies() -> dict[str, Path]:
    """Controller → mount point; {"": …} on cgroup v2. The name=systemd hierarchy is listed as "systemd"."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(maxsplit=2)
        point = Path(left.split()[4])
        if kind == "cgroup2" and point == Path("/sys/fs/cgroup"):
            return {"": point}
        if kind == "cgroup":
            words = options.split(",")
            for name in CONTROLLERS & set(words):
                found.setdefault(name, point)
            if "name=systemd" in words:
                found.setdefault("systemd", point)
            for name in words:
                if name in {"hugetlb", "perf_event", "rdma", "misc"}:
                    found.setdefault(name, point)
    return found


@cache
def roots() -> tuple[Path, ...]:
    """The hierarchies' own folders, each once: several controllers may share one, by links."""
    return tuple({place.resolve() for place in hierarchies().values()})


def removed(place: Path) -> bool:
    """Whether it is gone, now or before; False where it is in use, or has others below it."""
    try:
        os.rmdir(place)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def every_root() -> set[Path]:
    """Each hierarchy's, the one without controllers of a hybrid machine too: monitors may have a place there."""
    return {*hierarchies().values(), *([UNIFIED] if UNIFIED.is_dir() else [])}


def version() -> int:
    return 2 if "" in hierarchies() else 1


def folder(controller: str, path: str) -> Path | None:
    """The folder of cgroup `path` for a controller; None where the kernel has no such controller."""
    roots = hierarchies()
    root = roots.get("", roots.get(controller))
    return root / path.lstrip("/") if root is not None else None


def pids(path: str) -> list[int]:
    """Every process in the cgroup and below it."""
    root = next((f for c in ("pids", "devices", "freezer", "systemd") if (f := folder(c, path)) is not None), None)
    found: list[int] = []
    if root is not None:
        for place, _, _ in os.walk(root):
            with contextlib.suppress(OSError):
                found += [int(line) for line in (Path(place) / "cgroup.procs").read_text().split()]
    return found


def lift_pids(path: str) -> None:
    """As many processes as the cgroups above allow."""
    place = folder("pids", path)
    if place is not None:
        (place / "pids.max").write_text("max")


def freeze(path: str, *, frozen: bool, timeout_seconds: float = 5.0) -> None:
    """Stop or continue every process. Raises OSError, TimeoutError. Blocks for moments: call in a thread."""
    if version() == 2:
        place, word = folder("", path), "1" if frozen else "0"
        file, seen = "cgroup.freeze", f"frozen {word}"
        read = "cgroup.events"
    else:
        place, word = folder("freezer", path), "FROZEN" if frozen else "THAWED"
        file, seen, read = "freezer.state", word, "freezer.state"
    if place is None:
        raise OSError("this kernel has no freezer")
    deadline = time.monotonic() + timeout_seconds
    (place / file).write_text(word)
    while seen not in (place / read).read_text():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the processes did not reach the state {word} within {timeout_seconds:g} seconds")
        time.sleep(0.002)
        if version() == 1:
            (place / file).write_text(word)


def is_frozen(path: str) -> bool:
    place = folder("freezer", path)
    file, word = ("cgroup.freeze", "1") if version() == 2 else ("freezer.state", "FR")
    try:
        return place is not None and (place / file).read_text().startswith(word)
    except OSError:
        return False


def below(path: str) -> set[str]:
    """The names of the cgroups right below, in any hierarchy."""
    found: set[str] = set()
    for root in set(hierarchies().values()):
        with contextlib.suppress(OSError):
            found |= {entry.name for entry in os.scandir(root / path.lstrip("/")) if entry.is_dir()}
    return found


def remove_if_empty(path: str) -> None:
    """Take a cgroup away that has no others below it and no processes; one that ends just now is waited for."""
    deadline = time.monotonic() + ENDING_SECONDS
    for root in every_root():
        place = root / path.lstrip("/")
        while place.exists():
            try:
                os.rmdir(place)
            except OSError:
                if time.monotonic() > deadline or below(path):
                    break
                time.sleep(0.01)


def remove(path: str, *, timeout_seconds: float = 5.0) -> None:
    """End what still runs in the cgroup and take its folders away. Raises OSError when they can't go."""
    deadline = time.monotonic() + timeout_seconds
    for root in roots():
        place = root / path.lstrip("/")
        # Most are empty and have nothing below them: one call each, and no look before it.
        if removed(place):
            continue
        while place.exists():
            try:
                for below, _, _ in os.walk(place, topdown=False):
                    os.rmdir(below)
            except FileNotFoundError:
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                if is_frozen(path):
                    freeze(path, frozen=False)
                for pid in pids(path):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.002)
