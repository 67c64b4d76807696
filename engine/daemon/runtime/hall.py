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


def settle_bundles(folder: Path) -> None:
    """Make `folder` a place where mounts stay private: a tmpfs of its own where the one it lies on is shared."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not shared(folder):
        return
    mount("rorqual", str(folder), "tmpfs", MS_NOSUID | MS_NODEV, "mode=700")
    mount("none", str(folder), "", MS_PRIVATE)


def shared(path: Path) -> bool:
    """Whether the mount that holds `path` hands new mounts on to others (mount_namespaces(7))."""
    best, result = "", False
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        point = words[4]
        inside = point == "/" or f"{path}/".startswith(f"{point}/")
        if inside and len(point) >= len(best):
            best, result = point, any(word.startswith("shared:") for word in words[6 : words.index("-")])
    return result
