"""Execs: processes started in running containers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from engine.api.frames import Multiplexed, Raw
from engine.client.calls import Calls, name_in_path
from engine.client.streams import Hijacked

if TYPE_CHECKING:
    # For annotations only: making the shapes' classes costs 10 ms.
    from engine.api.containers import ExecCreate, ExecInspect


# How long a process may outlive its streams and still be waited for.
END_SECONDS = 2.0


class ExecReader:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def inspect(self, exec_id: str) -> ExecInspect:
        found: ExecInspect = await self._calls.get(f"/exec/{name_in_path(exec_id)}/json")
        return found

    async def exit_code(self, exec_id: str) -> int:
        """How it ended, for who has read its streams to their end: an engine may hear of the process' end after that.

        0 for one that lives on without its streams, as Docker's own client has it.
        """
        pause, until = 0.01, time.monotonic() + END_SECONDS
        while (found := await self.inspect(exec_id)).get("Running") and time.monotonic() < until:
            await anyio.sleep(pause)
            pause *= 2
        return found.get("ExitCode") or 0


class ExecWriter(ExecReader):
    async def create(self, container: str, body: ExecCreate) -> str:
        """Make an exec, not yet running; its id."""
        made = await self._calls.post(f"/containers/{name_in_path(container)}/exec", body)
        return str(made["Id"])

    @asynccontextmanager
    async def start(
        self, exec_id: str, *, tty: bool = False, console_size: tuple[int, int] | None = None
    ) -> AsyncIterator[Hijacked]:
        """Run it with its streams joined to ours; `tty` as at create; `console_size` is (height, width), from 1.42."""
        body: dict[str, object] = {"Detach": False, "Tty": tty}
        if console_size is not None and self._calls.version is not None and self._calls.version >= (1, 42):
            body["ConsoleSize"] = list(console_size)
        async with self._calls.upgrade(f"/exec/{name_in_path(exec_id)}/start", body=body) as upgraded:
            yield Hijacked(upgraded, Raw() if tty else Multiplexed(), self._calls.address)

    async def start_detached(self, exec_id: str, *, tty: bool = False) -> None:
        await self._calls.act(f"/exec/{name_in_path(exec_id)}/start", {"Detach": True, "Tty": tty})

    async def resize(self, exec_id: str, *, height: int, width: int) -> None:
        await self._calls.act(f"/exec/{name_in_path(exec_id)}/resize", h=height, w=width)
