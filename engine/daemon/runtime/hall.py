"""The place where runtimes are called: a thread with a mount namespace of its own, gone after the call.

A root file system mounted there is seen by the container and its monitor alone, and ends with them: the host's mount
table stays short, and nothing is left to unmount. The daemon itself stays where it is, so that shared bind mounts
keep their propagation. Where cgroups are hybrid the unified hierarchy is hidden there, since crun refuses it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import anyio

from engine.kit.syscalls import LIBC, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, checked, mount

T = TypeVar("T")
CLONE_NEWNS = 0x20000
UNIFIED = Path("/sys/fs/cgroup/unified")


async def in_hall(work: Callable[[], T]) -> T:
    """Run `work` in a fresh thread and mount namespace. Not cancelled half-way: `work` bounds its own time."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            enter()
            answer = (work(), None)
        except BaseException as error:
            answer = (None, error)  # type: ignore[assignment]
        loop.call_soon_threadsafe(settle, *answer)

    threading.Thread(target=run, name="hall", daemon=True).start()
    with anyio.CancelScope(shield=True):
        await asyncio.wait([done])
    return done.result()


def enter() -> None:
    """Give this thread a mount namespace of its own, for good."""
    checked(LIBC.unshare(CLONE_NEWNS), "unshare")
    if hybrid():
        # Alone this mount, lest the tmpfs shows in the host's namespace.
        mount("none", str(UNIFIED), "", MS_PRIVATE)
        mount("tmpfs", str(UNIFIED), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)


@cache
def hybrid() -> bool:
    """Whether cgroup v1 hierarchies stand beside a v2 one."""
    return UNIFIED.is_dir() and not Path("/sys/fs/cgroup/cgroup.controllers").exists()


def settle_run_folder(folder: Path) -> None:
    """Make `folder` a tmpfs whose mounts stay private: one of its own where it lies on a disk or on a shared mount.

    Bundles on a disk double the time of a start, and a root mounted in a shared place would show on the host.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    kind, shared = mount_of(folder.resolve())
    if kind == "tmpfs" and not shared:
        return
    mount("rorqual", str(folder), "tmpfs", MS_NOSUID | MS_NODEV, "mode=711")
    mount("none", str(folder), "", MS_PRIVATE)


def mount_of(path: Path) -> tuple[str, bool]:
    """The file system that a path lies on, and whether its mount hands new mounts on (mount_namespaces(7))."""
    best, result = "", ("", False)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        # Spaces in paths are written as \\040.
        point = words[4].encode().decode("unicode_escape")
        if (point == "/" or f"{path}/".startswith(f"{point}/")) and len(point) >= len(best):
            end = words.index("-")
            best, result = point, (words[end + 1], any(word.startswith("shared:") for word in words[6:end]))
    return result
