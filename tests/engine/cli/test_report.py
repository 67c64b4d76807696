"""The report at the end of a run: root causes once each, and what they held up."""

from __future__ import annotations

from engine.cli.render.report import render_failures
from engine.graph.address import Address, Kind
from engine.plan.observed import EngineIdentity
from engine.plan.steps import Plan, StartContainer, Step
from engine.reconcile.outcome import Outcome, Report, Status
from specs.models import Project
from specs.source import Span

PROJECT = Project(name="shop", working_dir="/", services={})


def step(number: int, name: str) -> Step:
    return Step(number, Address(Kind.SERVICE, name, 1), StartContainer(name), "it is exited")


def report(*outcomes: Outcome) -> Report:
    return Report(Plan("shop", EngineIdentity("", "", "")), list(outcomes))


def span_of(*path: str) -> Span | None:
    return Span("compose.yaml", 3, 5, 3, 8) if path == ("services", "web") else None


def test_a_lost_engine_is_one_message_however_many_steps_were_under_way() -> None:
    gone = "the engine at unix:///e was lost: the connection was closed without an answer"
    outcomes = [Outcome(step(n, name), Status.FAILED, gone) for n, name in enumerate(("web", "db", "cache"), 1)]
    skipped = Outcome(step(4, "last"), Status.SKIPPED, "needs service.web.1, which was not reached")
    lines = render_failures(report(*outcomes, skipped), span_of, PROJECT).splitlines()
    assert lines[0] == f"error[engine-lost]: {gone}"
    assert lines[1].startswith("  hint: what stands is kept")
    assert lines[2:] == ["not reached, because of that: service.web.1, service.db.1, service.cache.1, service.last.1"]


def test_a_cause_comes_with_its_place_and_what_came_after_its_first_line() -> None:
    failed = Outcome(step(1, "web"), Status.FAILED, "refused\nStep 1/2", ("log: bad",))
    text = render_failures(report(failed), span_of, PROJECT)
    assert text.splitlines() == [
        "compose.yaml:3:5: error[run-failed]: service.web.1: refused",
        "    Step 1/2",
        "    log: bad",
    ]


def test_what_was_interrupted_is_no_fault() -> None:
    skipped = Outcome(step(1, "web"), Status.SKIPPED, "interrupted")
    assert render_failures(report(skipped), span_of, PROJECT) == "not reached, interrupted: service.web.1"
