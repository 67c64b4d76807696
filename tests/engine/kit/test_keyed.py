"""The keyed queue: one key once, never twice at a time, nothing that was added is lost."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from engine.kit.keyed import KeyedQueue

pytestmark = pytest.mark.anyio


async def test_a_key_that_was_added_often_is_taken_once() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    for _ in range(3):
        queue.add("a")
    assert await queue.take() == "a"
    assert len(queue) == 0


async def test_what_is_added_while_its_key_is_worked_on_comes_after() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    queue.add("a")
    await queue.take()
    queue.add("a")
    queue.add("b")
    assert await queue.take() == "b"
    with anyio.move_on_after(0.01) as waited:
        await queue.take()
    assert waited.cancelled_caught
    queue.done("a")
    assert await queue.take() == "a"


async def test_of_two_times_for_a_key_the_earlier_counts() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    queue.add("a", delay_seconds=1000)
    queue.add("b", delay_seconds=0.01)
    queue.add("a")
    queue.add("a", delay_seconds=1000)
    assert [await queue.take(), await queue.take()] == ["a", "b"]


async def test_a_taker_that_waits_hears_of_an_earlier_key() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    queue.add("late", delay_seconds=1000)
    async with anyio.create_task_group() as tasks:

        async def soon() -> None:
            queue.add("soon")

        tasks.start_soon(soon)
        with anyio.fail_after(5):
            assert await queue.take() == "soon"


async def test_idle_waits_for_those_at_work() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    queue.add("a")
    await queue.take()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.idle)
        await anyio.lowlevel.checkpoint()
        queue.done("a")
    assert not queue.busy
