"""What a plan's steps say while they are carried out: kept for the release's words, shown nowhere by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.kit.clock import Clock, SystemClock
from engine.plan.steps import BuildImage, PullImage, PushImage, Step
from engine.reconcile.outcome import Outcome, Report, Status


@dataclass(slots=True)
class Heard:
    """`images_at` is when the last image was there, in Unix seconds; 0 where none was fetched or made."""

    clock: Clock = field(default_factory=SystemClock)
    images_at: float = 0.0

    def started(self, step: Step) -> None:
        pass

    def line(self, step: Step, text: str, current: int | None = None, total: int | None = None) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        if isinstance(outcome.step.action, PullImage | BuildImage) and outcome.status is Status.DONE:
            self.images_at = self.clock.now()


def failure(report: Report) -> str:
    """`service.web.1: web-1 is unhealthy (last health probe exited with 1: …)` of the first that failed."""
    for outcome in report.failed:
        evidence = f" ({outcome.evidence[0]})" if outcome.evidence else ""
        return f"{outcome.step.address}: {outcome.reason}{evidence}"
    return next((f"{o.step.address}: {o.reason}" for o in report.skipped), "")


def is_outage(report: Report) -> bool:
    """Whether it failed by images alone that no registry gave or took."""
    actions = [outcome.step.action for outcome in report.failed]
    return bool(actions) and all(isinstance(action, PullImage | PushImage) for action in actions)
