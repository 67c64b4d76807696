"""Several questions at once, and their answers in order; the first failure is raised as it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

import anyio

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@overload
async def together(a: Callable[[], Awaitable[A]], b: Callable[[], Awaitable[B]], /) -> tuple[A, B]: ...
@overload
async def together(
    a: Callable[[], Awaitable[A]], b: Callable[[], Awaitable[B]], c: Callable[[], Awaitable[C]], /
) -> tuple[A, B, C]: ...
async def together(*questions: Callable[[], Awaitable[Any]]) -> tuple[Any, ...]:
    """Where one fails the others are cancelled; of several failures the first is raised."""
    answers: list[Any] = [None] * len(questions)
    faults: list[Exception] = []

    async def ask(number: int) -> None:
        try:
            answers[number] = await questions[number]()
        except Exception as error:
            faults.append(error)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for number in range(len(questions)):
            tasks.start_soon(ask, number)
    if faults:
        raise faults[0]
    return tuple(answers)
