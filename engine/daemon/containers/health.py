"""Health checks: a probe at its interval while the process runs; the status by what the last ones said.

Source: Engine API v1.50, HealthConfig; dockerd's timing: the next probe an interval after the end of the last, the
start period counts failures only for who was healthy once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from engine.api.container_config import HealthConfig
from engine.api.errors import EngineError
from engine.daemon.containers.execs import Execs
from engine.daemon.containers.record import HealthRecord, Probe
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry

SECOND = 1_000_000_000
INTERVAL, TIMEOUT, START_INTERVAL, RETRIES = 30 * SECOND, 30 * SECOND, 5 * SECOND, 3
KEPT, LONGEST_OUTPUT = 5, 4096
# All probes at once would be a storm of execs.
PROBES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Check:
    """A health check with its defaults filled in; times in nanoseconds."""

    words: tuple[str, ...]
    interval: int
    timeout: int
    start_period: int
    start_interval: int
    retries: int


def check_of(config: HealthConfig | None, shell: Sequence[str] | None) -> Check | None:
    """None for no check, or one that is switched off."""
    test = list((config or {}).get("Test") or [])
    if not config or not test or test[0] == "NONE":
        return None
    if test[0] == "CMD":
        words = test[1:]
    elif test[0] == "CMD-SHELL":
        words = [*(shell or ["/bin/sh", "-c"]), *test[1:2]]
    else:
        return None
    if not words:
        return None
    return Check(
        tuple(words),
        config.get("Interval") or INTERVAL,
        config.get("Timeout") or TIMEOUT,
        config.get("StartPeriod") or 0,
        config.get("StartInterval") or START_INTERVAL,
        config.get("Retries") or RETRIES,
    )


def after_probe(health: HealthRecord, probe: Probe, check: Check, *, in_start_period: bool) -> HealthRecord:
    """The status after one more probe. Pure."""
    log = [*health.log, probe][-KEPT:]
    if probe.code == 0:
        return HealthRecord("healthy", 0, log)
    if health.status == "starting" and in_start_period:
        return HealthRecord("starting", health.streak, log)
    streak = health.streak + 1
    status = "unhealthy" if streak >= check.retries else health.status
    return HealthRecord(status, streak, log)


class Health:
    def __init__(self, rooms: Rooms, execs: Execs, tasks: TaskGroup) -> None:
        self._rooms = rooms
        self._execs = execs
        self._tasks = tasks
        self._probes = anyio.Semaphore(PROBES_AT_ONCE)

    def begin(self, entry: Entry, again: bool = False) -> None:
        """Probe from now on, while the process runs. `again`: a new daemon goes on with what the old one knew."""
        config = entry.container.config
        check = check_of(config.get("Healthcheck"), config.get("Shell"))
        if check is None:
            entry.container.health = None
            return
        if not again or entry.container.health is None:
            entry.container.health = HealthRecord()
        entry.probing = anyio.CancelScope()
        self._tasks.start_soon(self._loop, entry, check, entry.probing)

    async def _loop(self, entry: Entry, check: Check, scope: anyio.CancelScope) -> None:
        with scope:
            while True:
                await self._rooms.clock.sleep(self._pause(entry, check) / SECOND)
                if not entry.phase.alive:
                    return
                if entry.phase.value == "paused":
                    continue
                async with self._probes:
                    probe = await self._probe(entry, check)
                self._note(entry, probe, check)

    def _in_start_period(self, entry: Entry, check: Check) -> bool:
        return self._rooms.now() - entry.container.started < check.start_period

    def _pause(self, entry: Entry, check: Check) -> int:
        health = entry.container.health
        starting = health is not None and health.status == "starting" and self._in_start_period(entry, check)
        return min(check.interval, check.start_interval) if starting else check.interval

    def _note(self, entry: Entry, probe: Probe, check: Check) -> None:
        before = entry.container.health or HealthRecord()
        now = after_probe(before, probe, check, in_start_period=self._in_start_period(entry, check))
        entry.container.health = now
        if now.status != before.status:
            # The log of probes alone is not worth a write: it is made again in a few intervals.
            self._rooms.shelf.save(entry)
            self._rooms.tell(entry, f"health_status: {now.status}")

    async def _probe(self, entry: Entry, check: Check) -> Probe:
        """Run it; what runs out of its time is killed and counts as -1, what can't be run as -1 too."""
        start = self._rooms.now()
        body = {"Cmd": list(check.words), "AttachStdout": True, "AttachStderr": True}
        try:
            found = self._execs.get(self._execs.create(entry, body, b""))
            self._execs.claim(found)
            execution = await self._execs.begin(found)
        except EngineError as error:
            return Probe(start, self._rooms.now(), -1, error.message[:LONGEST_OUTPUT])
        output = bytearray()

        async def collect(handle: int) -> None:
            while (frame := await execution.read(handle)) is not None:
                if len(output) < LONGEST_OUTPUT:
                    output.extend(frame.data)

        code = -1
        with anyio.move_on_after(check.timeout / SECOND):
            async with anyio.create_task_group() as tasks:
                for handle in execution.readers:
                    tasks.start_soon(collect, handle)
                code = await execution.wait()
                with anyio.move_on_after(0.05):
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()
        text = bytes(output[:LONGEST_OUTPUT]).decode(errors="replace")
        if code < 0:
            execution.kill()
            text = f"Health check exceeded timeout ({check.timeout / SECOND:g}s): {text}"
        execution.close()
        self._execs.forget(found)
        return Probe(start, self._rooms.now(), code, text)
