"""Waiting for a container to be healthy or to have ended well; when it won't, the evidence: probe output, log tail."""

from __future__ import annotations

from typing import Any, cast

import anyio

from engine.api.errors import EngineError, NotFound
from engine.client.session import EngineReader
from engine.plan.steps import WaitFor
from engine.reconcile.apply import StepFailed

SHORTEST, LONGEST = 0.05, 0.5
TAIL = 10


async def wait_for(engine: EngineReader, action: WaitFor) -> None:
    """Return once the condition holds. Raises StepFailed when it can't any more, or not in time.

    A dependency that isn't required lets its dependents go on when it fails (Compose Specification, depends_on).
    """
    try:
        with anyio.fail_after(action.timeout_seconds):
            await settle(engine, action)
    except TimeoutError:
        evidence = await last_words(engine, action.container)
        text = f"{action.container} was not {action.condition} within {action.timeout_seconds:g} s"
        raise StepFailed(text, evidence) from None
    except StepFailed:
        if action.required:
            raise


async def settle(engine: EngineReader, action: WaitFor) -> None:
    pause = SHORTEST
    while True:
        try:
            inspect = cast(dict[str, Any], await engine.containers.inspect(action.container))
        except NotFound:
            raise StepFailed(f"{action.container} is gone") from None
        verdict = judge(action, inspect["State"])
        if verdict is True:
            return
        if verdict:
            raise StepFailed(f"{action.container} {verdict}", await last_words(engine, action.container))
        await anyio.sleep(pause)
        pause = min(LONGEST, pause * 1.5)


def judge(action: WaitFor, state: dict[str, Any]) -> bool | str:
    """True: it holds. A text: it can't hold any more, and why. False: not yet."""
    status, code = state.get("Status"), state.get("ExitCode")
    if action.condition == "completed":
        if status not in {"exited", "dead"}:
            return False
        return code == 0 or f"exited with code {code}"
    health = (state.get("Health") or {}).get("Status")
    if action.condition == "settled":
        # what a whole project is waited for: running, healthy where it is checked, or done with its work
        if status == "exited" and code == 0:
            return True
        if health in {None, "", "none"}:
            return status == "running" or (status in {"exited", "dead"} and f"exited with code {code}")
    if status in {"exited", "dead"}:
        return f"exited with code {code} before it was {action.condition}"
    if action.condition == "started":
        return bool(status == "running")
    if status != "running":
        return False
    if health in {None, "", "none"}:
        return "has no health check, so it can't become healthy: give the service or its image one"
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
