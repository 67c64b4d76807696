"""Several questions at once: answers in order, the first failure as it is, the others cancelled."""

from __future__ import annotations

import anyio
import pytest

from engine.kit.together import together


def test_the_answers_come_in_the_order_of_the_questions() -> None:
    last_is_first = anyio.Event()

    async def first() -> int:
        await last_is_first.wait()
        return 1

    async def second() -> str:
        last_is_first.set()
        return "two"

    async def go() -> tuple[int, str]:
        return await together(first, second)

    assert anyio.run(go) == (1, "two")


def test_a_failure_is_raised_as_it_is_and_ends_the_others() -> None:
    ended = []

    async def endless() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    async def faulty() -> None:
        raise ValueError("no")

    async def go() -> None:
        await together(endless, faulty)

    with pytest.raises(ValueError, match="no"):
        anyio.run(go)
    assert ended == [True]
