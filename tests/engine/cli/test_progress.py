"""What a run says while it goes: a line a step, with the reason where something that stands is changed."""

from __future__ import annotations

import io

from engine.cli.render.progress import make_progress
from engine.graph.address import Address, Kind
from engine.plan.steps import RemoveVolume, Step, UpdateContainer
from engine.reconcile.outcome import Outcome, Status

WEB = Address(Kind.SERVICE, "web", 1)
UPDATE = Step(1, WEB, UpdateContainer("c0", {}), "mem_limit changed")


def said(outcome: Outcome) -> str:
    stream = io.StringIO()
    make_progress("plain", stream=stream).finished(outcome)
    return stream.getvalue()


def test_a_change_to_what_stands_is_told_with_its_reason() -> None:
    assert said(Outcome(UPDATE, Status.DONE, seconds=0.24)) == " ✔ service.web.1 updated  0.2s  mem_limit changed\n"


def test_a_removal_needs_no_reason() -> None:
    step = Step(2, Address(Kind.VOLUME, "data"), RemoveVolume("shop_data"), "down -v")
    assert said(Outcome(step, Status.DONE)) == " ✔ volume.data removed  0.0s\n"


def test_a_failure_of_many_lines_is_one_line_here() -> None:
    failed = Outcome(UPDATE, Status.FAILED, "the engine refused\nand said much more")
    assert said(failed) == " ✘ service.web.1 failed  0.0s\n"
