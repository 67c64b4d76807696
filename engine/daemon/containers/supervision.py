"""What follows the end of a process: record, events, clean-up, restart policy, auto-remove. A task for each process.

Level-triggered: a task waits for the end of what the runtime has, whoever started it: this daemon or the one before.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from engine.api.errors import Conflict, EngineError, NotFound
from engine.daemon.containers.launching import Launching
from engine.daemon.containers.phase import Phase, Verb, transition
from engine.daemon.containers.record import Container
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry
from engine.daemon.faults import fault_of
from engine.daemon.runtime.monitor import Exit

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 60.0
# A process that ran for so long was no failed start: the next pause is the first one again.
STEADY_SECONDS = 10.0


class Supervision:
    def __init__(self, rooms: Rooms, launching: Launching, tasks: TaskGroup) -> None:
        self._rooms = rooms
        self._launching = launching
        self._tasks = tasks
        # Set by the room: how a container is removed, and how its probes begin.
        self.remove: Callable[[Entry], Awaitable[None]] | None = None
        self.begin_probes: Callable[[Entry, bool], None] | None = None

    def watch(self, entry: Entry, *, again: bool = False) -> None:
        """Follow a process that has begun. `again`: it began under the daemon before this one."""
        if self.begin_probes is not None:
            self.begin_probes(entry, again)
        self._tasks.start_soon(self._follow, entry, name=f"container {entry.id[:12]}")

    async def _follow(self, entry: Entry) -> None:
        status = await self._rooms.runtime.exited(entry.id)
        async with entry.lock:
            again = await self.end(entry, status)
        if again:
            await self.restart_after_pause(entry)

    async def end(self, entry: Entry, status: Exit, *, may_restart: bool = True) -> bool:
        """Take note of the end, tell it, clean up; True when the restart policy wants another start.

        The caller holds the lock.
        """
        rooms, container = self._rooms, entry.container
        if entry.probing is not None:
            entry.probing.cancel()
            entry.probing = None
        ran = max(0.0, status.finished_at - container.started / 1e9)
        container.exit_code, container.error, container.pid = status.code, status.error, 0
        container.oom_killed = status.oom_killed
        container.finished = max(int(status.finished_at * 1e9), container.started)
        again = may_restart and restarts(container)
        container.phase = transition(container.phase, Verb.END, entry.id)
        if again:
            container.phase = Phase.RESTARTING
            container.restarts += 1
        entry.pause_seconds = next_pause(entry.pause_seconds, ran)
        self._save(entry)
        if status.oom_killed:
            rooms.tell(entry, "oom")
        # Addresses and ports are free before anybody hears of the end.
        await self._quietly(rooms.networks.detach(entry.id))
        rooms.tell(entry, "die", {"exitCode": str(status.code), "execDuration": str(int(ran))})
        entry.tell_exited(status.code)
        entry.tell_stopped(status.code)
        await self._quietly(rooms.runtime.delete(entry.id))
        entry.tell_cleaned()
        if not again and container.host.get("AutoRemove") and self.remove is not None:
            self._tasks.start_soon(self._remove_soon, entry)
        return again

    async def _remove_soon(self, entry: Entry) -> None:
        assert self.remove is not None
        try:
            await self.remove(entry)
        except (Conflict, NotFound):
            return  # somebody else removes it
        except Exception as error:
            # what is left of it goes when the daemon starts again
            tell(f"container {entry.id[:12]} can't be removed: {fault_of(error).message}")

    def _save(self, entry: Entry) -> None:
        """What happened happened, recorded or not: the next daemon looks for the process."""
        try:
            self._rooms.shelf.save(entry)
        except EngineError as error:
            tell(f"container {entry.id[:12]}: {error.message}")

    async def _quietly(self, work: Awaitable[None]) -> None:
        """Clean-up that fails leaves its remains to the next start of the daemon, and must not hold up the end."""
        try:
            await work
        except Exception as error:
            tell(f"clean-up: {fault_of(error).message}")

    async def restart_after_pause(self, entry: Entry) -> None:
        """Start again after the policy's pause, until a start succeeds or somebody else stops or starts it."""
        while waits(entry):
            with anyio.CancelScope() as scope:
                entry.pause = scope
                await self._rooms.clock.sleep(entry.pause_seconds)
            entry.pause = None
            async with entry.lock:
                if not waits(entry):
                    return
                if await self._start_again(entry):
                    return
                entry.tell_stopped(entry.container.exit_code)

    async def _start_again(self, entry: Entry) -> bool:
        """True when it runs. A start that fails is tried again for `always`, as if it had run and failed."""
        container = entry.container
        try:
            await self._launching.launch(entry)
        except EngineError:
            entry.pause_seconds = next_pause(entry.pause_seconds, 0)
            container.phase = Phase.RESTARTING if restarts(container) else Phase.EXITED
            container.restarts += container.phase is Phase.RESTARTING
            self._save(entry)
            return False
        self.watch(entry)
        return True


def tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def waits(entry: Entry) -> bool:
    return entry.phase is Phase.RESTARTING


def restarts(container: Container) -> bool:
    """Whether the policy wants another start after this end."""
    policy = container.host.get("RestartPolicy") or {}
    name, most = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    if container.stopped_by_user:
        return False
    if name in ("always", "unless-stopped"):
        return True
    return name == "on-failure" and container.exit_code != 0 and (not most or container.restarts < most)


def next_pause(before: float, ran_seconds: float) -> float:
    if ran_seconds >= STEADY_SECONDS or before == 0:
        return FIRST_PAUSE
    return min(before * 2, LONGEST_PAUSE)
