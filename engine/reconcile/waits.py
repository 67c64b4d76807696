"""Waiting for a container to be healthy or to have ended well; when it won't, the evidence: probe output, log tail."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

import anyio

from engine.api.errors import EngineError, NotFound
from engine.client.session import EngineReader
from engine.plan.steps import WaitFor
from engine.reconcile.apply import StepFailed

SHORTEST, LONGEST = 0.05, 0.5
TAIL = 10
# A container that was restarted so often since it was started (6 s of dockerd's growing pauses) won't come up.
RESTARTS = 6
# How long a container without a health check must stay up to count as running: what dies at its start is seen to die.
STEADY_SECONDS = 0.3
STEADY_AFTER_RESTART_SECONDS = 2.0
# What a health check leaves unsaid, and how long after the end of its first probe none at all is one too few. Source:
# moby, daemon/health.go.
PROBE_SECONDS, PROBE_SLACK_SECONDS = 30.0, 30.0
# The conditions in the words of a message.
LATE = {"settled": "up", "started": "running", "healthy": "healthy", "completed": "done"}


async def wait_for(engine: EngineReader, action: WaitFor) -> None:
    """Return once the condition holds. Raises StepFailed when it can't any more, or not in time.

    A dependency that isn't required lets its dependents go on when it fails (Compose Specification, depends_on).
    """
    try:
        with anyio.fail_after(action.timeout_seconds):
            await settle(engine, action)
    except TimeoutError:
        what = f"{action.container} was not {LATE[action.condition]} within {action.timeout_seconds:g} s"
        raise StepFailed(what + await now_is(engine, action), await last_words(engine, action.container)) from None
    except StepFailed:
        if action.required:
            raise


async def now_is(engine: EngineReader, action: WaitFor) -> str:
    """`: it is restarting, the last time it exited with code 1`, for who has waited in vain."""
    try:
        inspect = cast(dict[str, Any], await engine.containers.inspect(action.container))
    except EngineError:
        return ""
    state, count = inspect["State"], inspect.get("RestartCount")
    text = f": it is {(state.get('Health') or {}).get('Status') if checked(state) else state.get('Status')}"
    return f"{text}, was restarted {count} times, and the last time it {ended(state)}" if count else text


async def settle(engine: EngineReader, action: WaitFor) -> None:
    pause = SHORTEST
    looks = Looks(action)
    while True:
        try:
            inspect = cast(dict[str, Any], await engine.containers.inspect(action.container))
        except NotFound:
            raise StepFailed(f"{action.container} is gone") from None
        verdict = looks.judge(inspect, time.monotonic())
        if verdict is True:
            return
        if verdict:
            raise StepFailed(f"{action.container} {verdict}", await last_words(engine, action.container))
        await anyio.sleep(pause)
        pause = min(LONGEST, pause * 1.5)


@dataclass(slots=True)
class Looks:
    """What several looks at one container tell that a single one doesn't: that it stays up, or restarts for ever."""

    action: WaitFor
    first_count: int | None = None
    started_at: str = ""
    seen_at: float = 0.0

    def judge(self, inspect: dict[str, Any], now: float) -> bool | str:
        """As `judge`; `now` are seconds of a clock that never goes back."""
        state, count = inspect["State"], int(inspect.get("RestartCount") or 0)
        first = self.first_count = count if self.first_count is None else self.first_count
        if state.get("StartedAt") != self.started_at:
            self.started_at, self.seen_at = state.get("StartedAt") or "", now
        verdict = judge(self.action, state)
        if verdict is True and self.action.condition == "settled" and state["Status"] == "running":
            verdict = checked(state) or now - self.seen_at >= (
                STEADY_AFTER_RESTART_SECONDS if count else STEADY_SECONDS
            )
        loops = count >= RESTARTS and (state.get("Status") == "restarting" or count - first >= RESTARTS)
        # with a timeout the user has said how long a service may take to find its feet
        if verdict is False and loops and self.action.timeout_seconds is None:
            return f"keeps restarting: {count} times by now, and the last time it {ended(state)}"
        up_seconds = now - self.seen_at
        if verdict is False and unprobed(inspect, up_seconds):
            return (
                f"had no health probe in {up_seconds:.0f} s, so it can't become healthy: the engine runs none"
                " (Podman needs systemd for them)"
            )
        return verdict


def unprobed(inspect: dict[str, Any], up_seconds: float) -> bool:
    """Whether its first probe should have ended long ago, and none has."""
    health = inspect["State"].get("Health") or {}
    if health.get("Status") != "starting" or health.get("Log"):
        return False
    check = inspect["Config"].get("Healthcheck") or {}
    interval, limit = ((check.get(key) or 0) / 1e9 or PROBE_SECONDS for key in ("Interval", "Timeout"))
    return inspect["State"].get("Status") == "running" and up_seconds > interval + limit + PROBE_SLACK_SECONDS


def ended(state: dict[str, Any]) -> str:
    return f"exited with code {state.get('ExitCode')}" + (", out of memory" if state.get("OOMKilled") else "")


def checked(state: dict[str, Any]) -> bool:
    return (state.get("Health") or {}).get("Status") not in {None, "", "none"}


def judge(action: WaitFor, state: dict[str, Any]) -> bool | str:
    """True: it holds. A text: it can't hold any more, and why. False: not yet."""
    status, code = state.get("Status"), state.get("ExitCode")
    if action.condition == "completed":
        if status not in {"exited", "dead"}:
            return False
        return code == 0 or ended(state)
    if action.condition == "settled":
        # what a whole project is waited for: running, healthy where it is checked, or done with its work
        if status == "exited" and code == 0:
            return True
        if not checked(state):
            return status == "running" or (status in {"exited", "dead"} and ended(state))
    if status in {"exited", "dead"}:
        return f"{ended(state)} before it was {action.condition}"
    if action.condition == "started":
        return bool(status == "running")
    if status != "running":
        return False
    if not checked(state):
        return "has no health check, so it can't become healthy: give the service or its image one"
    health = state["Health"]["Status"]
    if health == "unhealthy":
        return "is unhealthy"
    return bool(health == "healthy")


async def last_words(engine: EngineReader, container: str) -> tuple[str, ...]:
    """The last probe of its health check and the end of its log, as far as they can be had."""
    found: list[str] = []
    try:
        inspect = cast(dict[str, Any], await engine.containers.inspect(container))
        probes = (inspect["State"].get("Health") or {}).get("Log") or []
        if probes:
            output = (probes[-1].get("Output") or "").strip() or "(no output)"
            found.append(f"last health probe exited with {probes[-1].get('ExitCode')}: {output[-500:]}")
        tty = bool(inspect["Config"].get("Tty"))
        data = b""
        async with engine.containers.logs(container, tail=str(TAIL), tty=tty) as frames:
            async for frame in frames:
                data += frame.data
        found += [f"log: {line}" for line in data.decode(errors="replace").splitlines()[-TAIL:]]
    except EngineError:
        pass
    return tuple(found)
