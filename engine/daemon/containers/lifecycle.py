"""start, stop, kill, restart, pause, rename, update, wait, remove, prune: the verbs of the API on one container."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio

from engine.api.errors import Conflict, EngineError, InvalidArgument, NotFound, SystemFailure
from engine.daemon.containers.launching import Launching
from engine.daemon.containers.limits import resources_of
from engine.daemon.containers.names import check_name
from engine.daemon.containers.phase import Phase, Unchanged, Verb, must_run, transition
from engine.daemon.containers.refusals import check_resources, check_restart
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry
from engine.daemon.containers.sources import write_files
from engine.daemon.containers.supervision import Supervision
from engine.daemon.signals import signal_number, stop_signal

GRACE_SECONDS = 10
# After SIGKILL a process is gone in moments, unless the kernel holds it.
KILL_SECONDS = 10.0
# A program that handles signals does so by this time after its start, and is looked at so often until then.
READY_SECONDS, READY_LOOK_SECONDS = 1.0, 0.01
UPDATABLE = (
    "CpuShares Memory BlkioWeight CpuPeriod CpuQuota CpusetCpus CpusetMems MemoryReservation MemorySwap PidsLimit "
    "NanoCpus CpuRealtimePeriod CpuRealtimeRuntime"
)


class Lifecycle:
    def __init__(self, rooms: Rooms, launching: Launching, supervision: Supervision) -> None:
        self._rooms = rooms
        self._launching = launching
        self._supervision = supervision
        supervision.remove = lambda entry: self.remove(entry, force=False, volumes=True)

    async def start(self, entry: Entry) -> bool:
        """False when it runs already. Raises Conflict, InvalidArgument, SystemFailure."""
        async with entry.lock:
            try:
                transition(entry.phase, Verb.START, entry.id)
            except Unchanged:
                return False
            if entry.pause is not None:
                entry.pause.cancel()
            entry.container.stopped_by_user = False
            entry.container.restarts = 0
            entry.pause_seconds = 0
            await self._start(entry)
        return True

    async def _start(self, entry: Entry) -> None:
        try:
            await self._launching.launch(entry)
        except EngineError:
            if entry.container.host.get("AutoRemove"):
                with anyio.CancelScope(shield=True):
                    await self._remove(entry, volumes=True)
            raise
        self._supervision.watch(entry)

    async def stop(self, entry: Entry, *, signal_word: str | None = None, grace_seconds: int | None = None) -> bool:
        """Ask it to end, and kill it after the grace; -1 waits for ever. False when it doesn't run."""
        config = entry.container.config
        number = signal_number(signal_word) if signal_word else stop_signal(config)
        configured = config.get("StopTimeout")
        grace = grace_seconds if grace_seconds is not None else GRACE_SECONDS if configured is None else configured
        async with entry.lock:
            try:
                transition(entry.phase, Verb.STOP, entry.id)
            except Unchanged:
                return False
            self._hold_back(entry)
            if entry.phase is Phase.RESTARTING:
                self._stop_waiting(entry)
                self._rooms.tell(entry, "stop")
                return True
            await self._thaw(entry)
            exited, cleaned = entry.exited, entry.cleaned
        heard = self._rooms.runtime.heeds(entry.id, number)
        self._signal(entry, number)
        with anyio.move_on_after(grace if grace >= 0 else None) as patience:
            if not heard:
                await self._say_again_once_ready(entry, number)
            await exited.wait()
        if patience.cancelled_caught:
            self._signal(entry, signal.SIGKILL)
            if not await happens(exited.wait, KILL_SECONDS):
                raise SystemFailure(f"cannot stop container: {entry.id}: it did not end after SIGKILL")
        await cleaned.wait()
        self._rooms.tell(entry, "stop")
        return True

    async def _say_again_once_ready(self, entry: Entry, number: int) -> None:
        """Send the signal again as soon as the process handles it, if it does so in its first moments.

        The kernel drops what the first process of a namespace has no handler for: a container that is stopped as soon
        as it was started would else use up its grace.
        """
        age = (self._rooms.now() - entry.container.started) / 1e9
        with anyio.move_on_after(READY_SECONDS - age):
            while not self._rooms.runtime.heeds(entry.id, number):  # noqa: ASYNC110  # the kernel tells nobody
                await anyio.sleep(READY_LOOK_SECONDS)
            self._rooms.runtime.signal(entry.id, number)

    def _hold_back(self, entry: Entry) -> None:
        """The user wants it to end: no policy starts it again. Saved at once: the daemon may die in between."""
        entry.container.stopped_by_user = True
        self._rooms.shelf.save(entry)

    def _stop_waiting(self, entry: Entry) -> None:
        entry.container.phase = Phase.EXITED
        self._rooms.shelf.save(entry)
        if entry.pause is not None:
            entry.pause.cancel()
        entry.tell_stopped(entry.container.exit_code)

    def _signal(self, entry: Entry, number: int) -> None:
        if self._rooms.runtime.signal(entry.id, number):
            self._rooms.tell(entry, "kill", {"signal": str(int(number))})

    async def kill(self, entry: Entry, word: str | None = None) -> None:
        """Send a signal; SIGKILL (none named) returns when it has ended. Raises Conflict when it doesn't run."""
        number = signal_number(word or "SIGKILL")
        async with entry.lock:
            if entry.phase is Phase.RESTARTING and number == signal.SIGKILL:
                self._hold_back(entry)
                self._stop_waiting(entry)
                return
            transition(entry.phase, Verb.KILL, entry.id)
            if number in (signal.SIGKILL, stop_signal(entry.container.config)):
                self._hold_back(entry)
            if number == signal.SIGKILL:
                await self._thaw(entry)
            cleaned = entry.cleaned
        self._signal(entry, number)
        if number == signal.SIGKILL and not await happens(cleaned.wait, KILL_SECONDS):
            raise SystemFailure(f"Cannot kill container: {entry.id}: it did not end within {KILL_SECONDS:g} seconds")

    async def restart(self, entry: Entry, *, signal_word: str | None = None, grace_seconds: int | None = None) -> None:
        await self.stop(entry, signal_word=signal_word, grace_seconds=grace_seconds)
        await self.start(entry)
        self._rooms.tell(entry, "restart")

    async def pause(self, entry: Entry) -> None:
        async with entry.lock:
            phase = transition(entry.phase, Verb.PAUSE, entry.id)
            await self._rooms.runtime.freeze(entry.id, frozen=True)
            self._settle(entry, phase, "pause")

    async def unpause(self, entry: Entry) -> None:
        async with entry.lock:
            phase = transition(entry.phase, Verb.UNPAUSE, entry.id)
            await self._rooms.runtime.freeze(entry.id, frozen=False)
            self._settle(entry, phase, "unpause")

    def _settle(self, entry: Entry, phase: Phase, event: str) -> None:
        entry.container.phase = phase
        self._rooms.shelf.save(entry)
        self._rooms.tell(entry, event)

    async def _thaw(self, entry: Entry) -> None:
        """A frozen process takes no signal."""
        if entry.phase is Phase.PAUSED:
            await self._rooms.runtime.freeze(entry.id, frozen=False)
            self._settle(entry, Phase.RUNNING, "unpause")

    async def rename(self, entry: Entry, name: str) -> None:
        if not name:
            raise InvalidArgument("Neither old nor new names may be empty")
        wanted, before = check_name(name), entry.container.name
        if wanted == before:
            raise InvalidArgument("Renaming a container with the same name as its current name")
        async with entry.lock:
            self._rooms.shelf.rename(entry, wanted)
            await self._rooms.networks.rename(entry.id, wanted)
        self._rooms.tell(entry, "rename", {"oldName": f"/{before}"})

    async def update(self, entry: Entry, body: Mapping[str, Any]) -> list[str]:
        """Change limits and the restart policy in place → warnings."""
        changed = {key: body[key] for key in UPDATABLE.split() if body.get(key)}
        policy = body.get("RestartPolicy") or {}
        async with entry.lock:
            if entry.phase is Phase.REMOVING:
                raise Conflict(f'container {entry.id} is marked for removal and cannot be "update"')
            host: dict[str, Any] = {**entry.container.host, **changed}
            if changed.get("NanoCpus"):
                host["CpuPeriod"] = host["CpuQuota"] = 0
            if changed.get("Memory") and not changed.get("MemorySwap"):
                keeps = host.get("MemorySwap", 0)
                if 0 < keeps < changed["Memory"]:
                    raise Conflict(
                        "Memory limit should be smaller than already set memoryswap limit, "
                        "update the memoryswap at the same time"
                    )
            check_resources(host)
            if policy.get("Name"):
                check_restart(policy, bool(host.get("AutoRemove")))
                tries = policy.get("MaximumRetryCount") or 0
                host["RestartPolicy"] = {"Name": policy["Name"], "MaximumRetryCount": tries}
            resources, _ = resources_of(host, self._rooms.host)
            # of what was asked for now: what is stored was warned of before
            warnings = resources_of(changed, self._rooms.host)[1]
            if changed and entry.phase.alive:
                await self._rooms.runtime.update(entry.id, resources)
            entry.container.host = host  # type: ignore[assignment]
            self._rooms.shelf.save(entry)
        self._rooms.tell(entry, "update")
        return warnings

    # --- the end ----------------------------------------------------------------------------------------------------
    async def wait(self, entry: Entry, condition: str) -> int:
        """The exit code once the condition holds."""
        if condition == "removed":
            await entry.removed.wait()
            return entry.container.exit_code
        if condition == "next-exit":
            return await entry.exited.wait()
        if not (entry.phase.alive or entry.phase is Phase.RESTARTING):
            return entry.container.exit_code
        return await entry.stopped.wait()

    async def unlink(self, path: str) -> None:
        """Take away one link, `container/alias`. Raises NotFound, Conflict for a container's own name."""
        name, _, alias = path.strip("/").rpartition("/")
        if not name:
            raise Conflict("Conflict, cannot remove the default link name of the container")
        entry = self._rooms.shelf.get(name)
        async with entry.lock:
            links = entry.container.host.get("Links") or []
            kept = [link for link in links if alias not in (link.rpartition(":")[2], link)]
            if len(kept) == len(links):
                raise NotFound(f"Container {name} has no link {alias}")
            await self._rooms.networks.relink(entry.id, kept)
            entry.container.host["Links"] = kept or None
            self._rooms.shelf.save(entry)
            await self.renew_files(entry)

    async def renew_files(self, entry: Entry) -> None:
        """resolv.conf and hosts of a running container follow its networks."""
        attached = self._rooms.networks.attached(entry.id)
        if attached is not None:
            await anyio.to_thread.run_sync(write_files, self._rooms.files_of(entry.id), dict(attached.files))

    async def remove(self, entry: Entry, *, force: bool, volumes: bool) -> None:
        """Raises Conflict for a running one without force."""
        verb = Verb.FORCE_REMOVE if force else Verb.REMOVE
        transition(entry.phase, verb, entry.id)
        if force and (entry.phase.alive or entry.phase is Phase.RESTARTING):
            with contextlib.suppress(Conflict):  # it ended by itself
                await self.kill(entry, "SIGKILL")
        async with entry.lock:
            transition(entry.phase, verb, entry.id)
            await self._remove(entry, volumes=volumes)

    async def _remove(self, entry: Entry, *, volumes: bool) -> None:
        entry.container.phase = Phase.REMOVING
        self._rooms.shelf.save(entry)
        try:
            await self._take_apart(entry, volumes=volumes)
        except BaseException:
            entry.container.phase = Phase.DEAD
            self._rooms.shelf.save(entry)
            raise

    async def _take_apart(self, entry: Entry, *, volumes: bool) -> None:
        rooms, container = self._rooms, entry.container
        await rooms.runtime.delete(entry.id)
        await rooms.networks.detach(entry.id)
        for mount in container.mounts:
            if mount.kind == "volume":
                await rooms.volumes.release(mount.name, entry.id)
                if volumes and mount.anonymous:
                    try:
                        await rooms.volumes.remove(mount.name, force=True)
                    except Conflict:
                        continue  # another container has borrowed it
        await rooms.snapshots.remove(entry.id)
        remove_folders(rooms.home_of(entry.id), rooms.files_of(entry.id))
        rooms.shelf.drop(entry)
        waiting, entry.waiting = entry.waiting, []
        for give in waiting:
            give(None)
        entry.removed.set(container.exit_code)
        entry.tell_exited(container.exit_code)
        entry.tell_stopped(container.exit_code)
        rooms.tell(entry, "destroy")

    async def resize(self, entry: Entry, *, height: int, width: int) -> None:
        must_run(entry.phase, entry.id, "resize")
        self._rooms.runtime.resize(entry.id, height=height, width=width)
        self._rooms.tell(entry, "resize", {"height": str(height), "width": str(width)})


def remove_folders(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


async def happens(wait: Any, seconds: float | None) -> bool:
    """Whether it comes to its end in time."""
    with anyio.move_on_after(seconds):
        await wait()
        return True
    return False
