"""The daemon's start: the records, what the runtime has, and what else is there brought to agree.

What ran goes on and is watched again; what ended meanwhile is ended in the record; what a crash left half made is
taken away. Nothing that runs is touched.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import anyio.to_thread

from engine.api.errors import EngineError
from engine.daemon.containers.lifecycle import Lifecycle
from engine.daemon.containers.moments import SECOND
from engine.daemon.containers.phase import Phase
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry
from engine.daemon.containers.supervision import FIRST_PAUSE, Supervision, restarts
from engine.daemon.runtime.monitor import Exit

LOST = "the process was not there any more when the engine started again: the machine was restarted, or it was killed"


class Recovery:
    def __init__(self, rooms: Rooms, supervision: Supervision, lifecycle: Lifecycle) -> None:
        self._rooms = rooms
        self._supervision = supervision
        self._lifecycle = lifecycle

    async def recover(self) -> list[Entry]:
        """→ those that a restart policy starts again. Call it before the first request."""
        rooms = self._rooms
        entries = list(rooms.shelf)
        alive: list[Entry] = []
        ended: list[tuple[Entry, Exit]] = []
        for entry in entries:
            if self._runs(entry):
                alive.append(entry)
            elif entry.phase.alive:
                ended.append((entry, self._end_of(entry)))
        await rooms.networks.recover({e.id: Path(f"/proc/{e.container.pid}/ns/net") for e in alive})
        again = []
        for entry, status in ended:
            # on-failure is about the program's own failures, not about the machine's.
            may = status.error != LOST or policy_of(entry) != "on-failure"
            if await self._supervision.end(entry, status, may_restart=may):
                again.append(entry)
        for entry in alive:
            self._supervision.watch(entry, again=True)
        await self._sweep(entries, {entry.id for entry in alive})
        return again + self._waiting(entries, again)

    def _runs(self, entry: Entry) -> bool:
        """Whether its process lives and had begun; the record is brought up to it."""
        runtime, container = self._rooms.runtime, entry.container
        pid = runtime.pid(entry.id)
        if pid is None or not runtime.begun(entry.id) or entry.phase in (Phase.REMOVING, Phase.DEAD):
            return False
        if container.pid != pid or not entry.phase.alive:
            # The daemon died between the start and the record.
            container.pid = pid
            container.started = container.started or self._rooms.now()
            container.phase = Phase.RUNNING
        frozen = runtime.is_frozen(entry.id)
        container.phase = Phase.PAUSED if frozen else Phase.RUNNING
        self._rooms.shelf.save(entry)
        return True

    def _end_of(self, entry: Entry) -> Exit:
        status = self._rooms.runtime.exit_of(entry.id)
        if status is not None:
            return status
        if not self._rooms.runtime.begun(entry.id) and self._rooms.runtime.pid(entry.id) is not None:
            return Exit(255, self._rooms.now() / SECOND, error="the engine ended while the container was starting")
        return Exit(255, self._rooms.now() / SECOND, error=LOST)

    def _waiting(self, entries: list[Entry], known: list[Entry]) -> list[Entry]:
        """Those in a restart's pause; after a reboot also what a policy wants up and is not."""
        found = []
        for entry in entries:
            if entry in known:
                continue
            if entry.phase is Phase.RESTARTING:
                if restarts(entry.container):
                    entry.pause_seconds = entry.pause_seconds or FIRST_PAUSE
                    found.append(entry)
                else:
                    entry.container.phase = Phase.EXITED
                    self._rooms.shelf.save(entry)
            elif entry.phase is Phase.EXITED and self._always(entry):
                entry.container.phase = Phase.RESTARTING
                entry.container.stopped_by_user = False
                entry.pause_seconds = FIRST_PAUSE
                found.append(entry)
        return found

    def _always(self, entry: Entry) -> bool:
        """`always` starts with the daemon even what a user stopped; but not what merely waits for its clean-up."""
        return policy_of(entry) == "always" and entry.container.stopped_by_user and bool(entry.container.started)

    async def _sweep(self, entries: list[Entry], alive: set[str]) -> None:
        """What no record speaks of, removals that were begun, and what a build was at."""
        rooms = self._rooms
        known = {entry.id for entry in entries}
        for id in set(rooms.runtime.known()) - alive:
            with contextlib.suppress(OSError):
                await rooms.runtime.delete(id)
        for key in set(rooms.snapshots.keys()) - known:
            await rooms.snapshots.remove(key)
        for entry in entries:
            begun = entry.phase in (Phase.REMOVING, Phase.DEAD)
            if begun:
                entry.container.phase = Phase.EXITED
            if begun or entry.container.step:
                with contextlib.suppress(EngineError, OSError):
                    await self._lifecycle.remove(entry, force=True, volumes=False)
        for name, holder in rooms.volumes.held():
            if holder not in known:
                # The daemon died while it made the container, or the record is lost. An anonymous one is for a prune.
                await rooms.volumes.release(name, holder)
        for folder in (rooms.folder, rooms.run):
            await anyio.to_thread.run_sync(sweep_files, folder, known)


def policy_of(entry: Entry) -> str:
    return (entry.container.host.get("RestartPolicy") or {}).get("Name") or "no"


def sweep_files(folder: Path, known: set[str]) -> None:
    if folder.is_dir():
        for place in folder.iterdir():
            if place.name not in known:
                shutil.rmtree(place, ignore_errors=True)
