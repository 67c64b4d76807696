"""What a plan's steps say while they are carried out: kept for the release's words, shown nowhere by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.plan.steps import Step
from engine.reconcile.outcome import Outcome, Report


@dataclass(slots=True)
class Heard:
    """`now` are the addresses at work, for the API; warnings are what the engine could not honour."""

    now: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)

    def started(self, step: Step) -> None:
        self.now.add(str(step.address))

    def line(self, step: Step, text: str, current: int | None = None, total: int | None = None) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        self.now.discard(str(outcome.step.address))


def failure(report: Report) -> str:
    """`service.web.1: web-1 is unhealthy (last health probe exited with 1: …)` of the first that failed."""
    for outcome in report.failed:
        evidence = f" ({outcome.evidence[0]})" if outcome.evidence else ""
        return f"{outcome.step.address}: {outcome.reason}{evidence}"
    return next((f"{o.step.address}: {o.reason}" for o in report.skipped), "")
