"""Runs a plan: steps side by side where nothing orders them, a failure skipping only what needs it. Decides nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio

from engine.api.errors import EngineError
from engine.plan.steps import BuildImage, Plan, PullImage, PushImage, RemoveContainer, Step, StopContainer, WaitFor
from engine.reconcile.outcome import Outcome, Progress, Report, Status
from engine.reconcile.pace import Pace

LEAVABLE = (WaitFor, PullImage, BuildImage, PushImage)
PACED = (StopContainer, RemoveContainer)
Effect = Callable[[Step], Awaitable[None]]


class StepFailed(EngineError):
    """A step's effect was refused or never came; `evidence` shows why."""

    def __init__(self, message: str, evidence: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.evidence = evidence


async def apply(
    plan: Plan,
    effect: Effect,
    progress: Progress,
    *,
    limit: int,
    strict: bool = True,
    stopping: anyio.Event | None = None,
    hide: Callable[[str], str] = str,
) -> Report:
    """Run every step once its needs are done; at most `limit` effects at a time, waits not counted. Without `strict`
    stops and removals have places of their own (Pace).

    Once `stopping` is set nothing new starts, and what runs is finished. `hide` takes sensitive values out of what is
    said of a failure. Never raises for a step's failure.
    """
    limiter = anyio.CapacityLimiter(limit)
    run = Run(plan, effect, progress, limiter, None if strict else Pace(), stopping or anyio.Event(), hide)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run.leave)
        async with anyio.create_task_group() as steps:
            for step in plan.steps:
                steps.start_soon(run.step, step)
        tasks.cancel_scope.cancel()
    return run.report


class Run:
    def __init__(
        self,
        plan: Plan,
        effect: Effect,
        progress: Progress,
        limiter: anyio.CapacityLimiter,
        pace: Pace | None,
        stopping: anyio.Event,
        hide: Callable[[str], str],
    ) -> None:
        self.report = Report(plan)
        self.effect = effect
        self.progress = progress
        self.limiter = limiter
        self.pace = pace
        self.stopping = stopping
        self.hide = hide
        self.ended = {step.id: anyio.Event() for step in plan.steps}
        self.good: set[int] = set()
        self.leavable: set[anyio.CancelScope] = set()

    async def step(self, step: Step) -> None:
        for need in step.needs:
            await self.ended[need].wait()
        if isinstance(step.action, WaitFor):
            outcome = await self.attempt(step)
        else:
            async with self.place(step):
                outcome = await self.attempt(step)
        if outcome.status is Status.DONE:
            self.good.add(step.id)
        self.report.outcomes.append(outcome)
        self.progress.finished(outcome)
        self.ended[step.id].set()

    def place(self, step: Step) -> AbstractAsyncContextManager[object]:
        if self.pace is not None and isinstance(step.action, PACED):
            return self.pace.place()
        return self.limiter

    async def attempt(self, step: Step) -> Outcome:
        missing = sorted(step.needs - self.good)
        if missing:
            cause = next(s for s in self.report.plan.steps if s.id == missing[0])
            what = f"a step before it on {cause.address}" if cause.address == step.address else str(cause.address)
            return Outcome(step, Status.SKIPPED, f"needs {what}, which was not reached")
        if self.stopping.is_set():
            return Outcome(step, Status.SKIPPED, "interrupted")
        self.progress.started(step)
        begin = time.monotonic()
        try:
            async with self.cut_short(step) as cut:
                await self.effect(step)
        except EngineError as error:
            evidence = tuple(map(self.hide, error.evidence)) if isinstance(error, StepFailed) else ()
            return Outcome(step, Status.FAILED, self.hide(error.message), evidence, time.monotonic() - begin)
        except OSError as error:
            # a context or a secret's file that went away or can't be read: this step's fault, and nobody else's
            words = ": ".join(filter(None, (error.filename and str(error.filename), error.strerror or str(error))))
            return Outcome(step, Status.FAILED, self.hide(words), seconds=time.monotonic() - begin)
        if cut.cancelled_caught:
            return Outcome(step, Status.SKIPPED, "interrupted", seconds=time.monotonic() - begin)
        return Outcome(step, Status.DONE, seconds=time.monotonic() - begin)

    @asynccontextmanager
    async def cut_short(self, step: Step) -> AsyncIterator[anyio.CancelScope]:
        """Once `stopping` is set, leave what may take for ever and changes nothing by half; the rest is finished."""
        with anyio.CancelScope() as scope:
            if not isinstance(step.action, LEAVABLE):
                yield scope
                return
            self.leavable.add(scope)
            try:
                yield scope
            finally:
                self.leavable.discard(scope)

    async def leave(self) -> None:
        await self.stopping.wait()
        for scope in self.leavable:
            scope.cancel()
