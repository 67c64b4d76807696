"""How long a daemon lives: one per root, ended by a signal, or by itself when nobody has needed it for a while."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.api.errors import Conflict
from engine.daemon.protocols import Places, Users
from engine.daemon.runtime import cgroups
from engine.daemon.runtime.hall import settle_run_folder
from engine.http.server import Exchange, Handler
from engine.kit.clock import Clock
from engine.kit.lock import Owned, sole_owner_of
from engine.kit.syscalls import unmount

LOOK_SECONDS = 5.0


@contextmanager
def sole_owner(places: Places) -> Iterator[None]:
    """Hold the root's lock, and say in the run folder who we are. Raises Conflict when another daemon has it."""
    for folder, mode in ((places.root, 0o711), (places.run, 0o711)):
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    try:
        with sole_owner_of(places.root):
            settle_run_folder(places.run)
            told = places.run / "daemon.json"
            told.write_text(json.dumps({"pid": os.getpid(), "root": str(places.root), "socket": str(places.socket)}))
            try:
                yield
            finally:
                told.unlink(missing_ok=True)
    except Owned:
        raise Conflict(f"another daemon works in {places.root}; stop it, or choose another --root") from None


def leave(places: Places) -> None:
    """Take our cgroups and our tmpfs away where nothing lives any more: no container, nobody who has a file open."""
    if any((places.run / "c").glob("*")):
        return
    for cgroup in (places.monitors_cgroup, places.cgroup):
        cgroups.remove_if_empty(cgroup)
    if os.path.ismount(places.run):
        with contextlib.suppress(OSError):
            unmount(str(places.run), lazily=False)


class Activity:
    """Counts the requests under way, and remembers when the last one ended."""

    def __init__(self, handler: Handler, clock: Clock) -> None:
        self._handler = handler
        self._clock = clock
        self._busy = 0
        self._last = clock.monotonic()

    async def __call__(self, exchange: Exchange) -> None:
        self._busy += 1
        try:
            await self._handler(exchange)
        finally:
            self._busy -= 1
            self._last = self._clock.monotonic()

    def idle_seconds(self) -> float:
        return 0.0 if self._busy else self._clock.monotonic() - self._last


async def until_idle(activity: Activity, users: Users, idle_seconds: float, clock: Clock) -> None:
    """Return when no container has lived and no client has asked for so long. Streams count as asking."""
    since = clock.monotonic()
    while True:
        await clock.sleep(min(LOOK_SECONDS, idle_seconds / 4))
        counts = users.containers.counts() if users.containers is not None else {}
        if any(count for state, count in counts.items() if state != "stopped"):
            since = clock.monotonic()
        if min(activity.idle_seconds(), clock.monotonic() - since) >= idle_seconds:
            return


def tell_ready() -> None:
    """To systemd, where it started us (sd_notify(3)); others see the socket answer."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(b"READY=1", f"\0{address[1:]}" if address.startswith("@") else address)


def running_daemon(run: Path) -> tuple[int, str] | None:
    """(pid, socket) of the daemon whose run folder this is; None when none lives."""
    try:
        told = json.loads((run / "daemon.json").read_text())
        pid, where = int(told["pid"]), str(told["socket"])
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid, where
