"""One command in a running container, to its end: a service's hooks, and what `watch` runs on a change."""

from __future__ import annotations

from typing import Any, cast

from engine.client.session import Engine
from engine.plan.desired import Hook
from engine.reconcile.apply import StepFailed

KEPT_BYTES, SHOWN_LINES = 65536, 20


async def run_hook(engine: Engine, container: str, hook: Hook) -> None:
    """Raises StepFailed with the last lines of its output where it ended with another code than 0."""
    body = {
        "Cmd": list(hook.command),
        "Env": list(hook.environment),
        "User": hook.user,
        "Privileged": hook.privileged,
        "WorkingDir": hook.working_dir,
        "AttachStdout": True,
        "AttachStderr": True,
    }
    exec_id = await engine.exec.create(container, cast(Any, body))
    output = b""
    async with engine.exec.start(exec_id) as stream:
        async for frame in stream:
            output = (output + frame.data)[-KEPT_BYTES:]
    if code := await engine.exec.exit_code(exec_id):
        tail = output.decode(errors="replace").splitlines()[-SHOWN_LINES:]
        raise StepFailed(f"{' '.join(hook.command)} exited with code {code}", tuple(tail))
