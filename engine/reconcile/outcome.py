"""What became of a plan: an outcome a step, a report for all; and who is told while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from engine.plan.steps import Plan, Step


class Status(StrEnum):
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason` says why it failed or was skipped; `evidence` are lines that show it: a probe's output, a log's tail."""

    step: Step
    status: Status
    reason: str = ""
    evidence: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Report:
    """Outcomes in the order in which they came."""

    plan: Plan
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def done(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.status is Status.DONE]

    @property
    def failed(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.status is Status.FAILED]

    @property
    def skipped(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.status is Status.SKIPPED]

    @property
    def ok(self) -> bool:
        return not self.failed and not self.skipped


class Progress(Protocol):
    """Told what happens, as it happens."""

    def started(self, step: Step) -> None: ...

    def line(self, step: Step, text: str, current: int | None = None, total: int | None = None) -> None:
        """A sign of life from within a step: a build's output, a layer's bytes."""

    def finished(self, outcome: Outcome) -> None: ...
