"""Steps side by side: how many at a time, and what is not counted."""

from __future__ import annotations

import math

import anyio
import pytest

from engine.graph.address import Address, Kind
from engine.plan.observed import EngineIdentity
from engine.plan.steps import Action, Plan, RemoveContainer, StartContainer, Step
from engine.reconcile.apply import apply
from engine.reconcile.outcome import Outcome, Report
from engine.reconcile.pace import Pace

COUNT = 5


class Deaf:
    def started(self, step: Step) -> None: ...

    def line(self, step: Step, text: str, current: int | None = None, total: int | None = None) -> None: ...

    def finished(self, outcome: Outcome) -> None: ...


def most_at_once(make: type[StartContainer] | type[RemoveContainer], *, strict: bool) -> int:
    """How many of five steps go on side by side where two may."""
    running, most = 0, 0

    async def effect(step: Step) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        # time for every other that may
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        running -= 1

    def step(number: int) -> Step:
        action: Action = make(f"c{number}")
        return Step(number, Address(Kind.SERVICE, "web", number), action, "the test wants it")

    plan = Plan("p", EngineIdentity("e", "unix:///x", "1.41"), tuple(map(step, range(1, COUNT + 1))))

    async def go() -> Report:
        return await apply(plan, effect, Deaf(), limit=2, strict=strict)

    assert anyio.run(go).ok
    return most


@pytest.mark.parametrize("strict", [True, False])
def test_starts_go_on_as_many_at_a_time_as_the_limit_says(strict: bool) -> None:
    assert most_at_once(StartContainer, strict=strict) == 2


def test_removals_have_a_pace_of_their_own_where_no_limit_was_asked_for() -> None:
    assert most_at_once(RemoveContainer, strict=True) == 2
    assert most_at_once(RemoveContainer, strict=False) == COUNT


def test_an_engine_works_on_a_few_endings_at_once() -> None:
    inside, most = 0, 0

    async def end(pace: Pace) -> None:
        nonlocal inside, most
        async with pace.place():
            inside += 1
            most = max(most, inside)
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            inside -= 1

    async def go() -> None:
        pace = Pace(2, math.inf)
        async with anyio.create_task_group() as tasks:
            for _ in range(COUNT):
                tasks.start_soon(end, pace)
        assert pace.places.borrowed_tokens == 0

    anyio.run(go)
    assert most == 2


def test_containers_that_let_their_grace_period_pass_hold_nobody_up() -> None:
    async def end(pace: Pace, others: list[int], all_are_in: anyio.Event) -> None:
        async with pace.place():
            others.append(1)
            if len(others) == COUNT:
                all_are_in.set()
            # nobody is done before everybody was asked
            await all_are_in.wait()

    async def go() -> None:
        pace, others, all_are_in = Pace(2, 0.01), list[int](), anyio.Event()
        async with anyio.create_task_group() as tasks:
            for _ in range(COUNT):
                tasks.start_soon(end, pace, others, all_are_in)
        assert pace.places.borrowed_tokens == 0

    anyio.run(go)


def test_a_step_that_meets_a_fault_of_the_machine_fails_alone() -> None:
    async def effect(step: Step) -> None:
        if step.id == 1:
            raise FileNotFoundError(2, "No such file or directory", "/srv/context")

    actions: tuple[Action, ...] = (StartContainer("a"), StartContainer("b"), StartContainer("c"))
    steps = [
        Step(number, Address(Kind.SERVICE, "web", number), action, "the test wants it")
        for number, action in enumerate(actions, 1)
    ]
    plan = Plan(
        "p", EngineIdentity("e", "unix:///x", "1.41"), (steps[0], steps[1], steps[2]._replace(needs=frozenset({1})))
    )

    async def go() -> Report:
        return await apply(plan, effect, Deaf(), limit=2)

    report = anyio.run(go)
    assert [(o.step.id, str(o.status)) for o in sorted(report.outcomes, key=lambda o: o.step.id)] == [
        (1, "failed"),
        (2, "done"),
        (3, "skipped"),
    ]
    assert report.failed[0].reason == "/srv/context: No such file or directory"
