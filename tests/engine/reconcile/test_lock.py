"""The lock of a project, where takers are tasks of one process."""

from __future__ import annotations

from pathlib import Path

import anyio

from engine.reconcile.lock import taking_turns


def test_takers_in_one_process_take_turns_and_block_nobody(tmp_path: Path) -> None:
    said: list[str] = []

    async def take(name: str) -> None:
        async with taking_turns(tmp_path, "rorqual-lock-shop"):
            said.append(f"{name} in")
            await anyio.sleep(0.01)
            said.append(f"{name} out")

    async def go() -> None:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(take, "a")
                tasks.start_soon(take, "b")

    anyio.run(go)
    assert said in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])
