"""Other programs run to their end, within a time, and never left behind: a cancelled or late one is killed."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process


@dataclass(frozen=True, slots=True)
class Completed:
    """`code` is negative for a signal, as subprocess has it."""

    code: int
    stdout: bytes
    stderr: bytes


class ProcessTimeout(Exception):
    """The program was killed because its time was over."""


async def run_process(
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout_seconds: float | None = None,
) -> Completed:
    """Run `command` in a session of its own; return what it wrote and how it ended.

    Raises FileNotFoundError or PermissionError when it can't be started, ProcessTimeout when it took too long.
    """
    with anyio.CancelScope(shield=True):
        # a cancel that lands while it starts would leave its pipes open
        process = await anyio.open_process(command, env=environment, cwd=folder, start_new_session=True)
    try:
        with anyio.move_on_after(timeout_seconds):
            return await converse(process, stdin)
        raise ProcessTimeout(f"{command[0]} did not end within {timeout_seconds:g} seconds")
    finally:
        await end_process(process)


async def converse(process: Process, stdin: bytes) -> Completed:
    output: dict[str, bytes] = {}

    async def collect(name: str) -> None:
        stream = process.stdout if name == "stdout" else process.stderr
        output[name] = b"".join([piece async for piece in stream] if stream is not None else [])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(collect, "stdout")
        tasks.start_soon(collect, "stderr")
        if process.stdin is not None:
            # A program that doesn't want its input may still succeed.
            with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await process.stdin.send(stdin)
            await process.stdin.aclose()
    return Completed(await process.wait(), output["stdout"], output["stderr"])


async def end_process(process: Process) -> None:
    """Kill the program if it still runs, with all that it started, and wait for it: no zombie, no orphan."""
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            # it leads a session of its own, and so a group
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        await process.aclose()
