"""The loop's decisions, all pure: which revision is due, what a window says, what a budget allows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.gitops.loop.choice import Choice, choose
from engine.gitops.loop.gate import FLAPS, spent_budget
from engine.gitops.loop.ownership import owner_of
from engine.gitops.moments import opens_at
from engine.gitops.settings.models import Window
from engine.gitops.state.project import ProjectState, Waiting
from engine.plan.observed import EngineIdentity
from engine.plan.steps import Plan

NOTHING = Plan("p", EngineIdentity("id", "unix:///e.sock", "1.50"))


def state(target: str, synced: str = "", healthy: str = "", **held: str) -> ProjectState:
    return ProjectState("p", "s", target=target, synced=synced, healthy=healthy, held=dict(held))


def chosen(
    what: ProjectState, *, rollback: bool = True, opens: float | None = None, unmet: tuple[str, ...] = ()
) -> tuple[str, Waiting]:
    found: Choice = choose(what, rollback=rollback, opens_at=opens, unmet=unmet)
    return found.revision, found.waiting


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_the_newest_revision_is_due() -> None:
    assert chosen(state("b", "a", "a")) == ("b", Waiting.NOTHING)


def test_a_held_revision_gives_way_to_the_last_healthy_one() -> None:
    assert chosen(state("b", "a", "a", b="unhealthy")) == ("a", Waiting.NEWER)


def test_where_there_is_nothing_to_go_back_to_nothing_is_done() -> None:
    assert chosen(state("a", a="unhealthy")) == ("", Waiting.NEWER)
    assert chosen(state("b", "a", "a", b="unhealthy"), rollback=False) == ("", Waiting.NEWER)


def test_what_stands_is_kept_up_while_a_newer_one_waits_for_its_window_or_its_wave() -> None:
    assert chosen(state("b", "a", "a"), opens=1.0) == ("a", Waiting.WINDOW)
    assert chosen(state("b", "a", "a"), unmet=("db",)) == ("a", Waiting.WAVE)
    assert chosen(state("a", "a", "a"), opens=1.0, unmet=("db",)) == ("a", Waiting.NOTHING)


def test_suspended_is_left_alone() -> None:
    what = state("b", "a", "a")
    what.suspended = True
    assert chosen(what) == ("", Waiting.SUSPENDED)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-07-01T00:30", None),  # 02:30 in Berlin
        ("2026-07-01T01:59:59", None),
        ("2026-07-01T02:00", "2026-07-02T00:00"),
        ("2026-06-30T23:59", "2026-07-01T00:00"),
        ("2026-12-01T00:30", "2026-12-01T01:00"),  # winter: one hour from UTC
    ],
)
def test_a_window_opens_by_the_clock_of_its_time_zone(now: str, opens: str | None) -> None:
    window = Window("0 2 * * *", 7200.0, "Europe/Berlin")
    assert opens_at([window], at(now)) == (at(opens) if opens else None)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        # the clocks of Berlin go from 3 to 2 at 01:00 UTC: 2:30 comes twice, and counts once
        ("2026-10-25T00:29", "2026-10-25T00:30"),
        ("2026-10-25T00:45", None),
        ("2026-10-25T01:15", None),
        ("2026-10-25T01:45", "2026-10-26T01:30"),
        # and from 2 to 3: what would have begun in the hour that isn't there begins after it
        ("2026-03-29T00:59", "2026-03-29T01:00"),
        ("2026-03-29T01:30", None),
        ("2026-03-29T02:15", "2026-03-30T00:30"),
    ],
)
def test_a_window_is_as_long_as_it_says_on_the_days_when_clocks_are_set(now: str, opens: str | None) -> None:
    window = Window("30 2 * * *", 3600.0, "Europe/Berlin")
    assert opens_at([window], at(now)) == (at(opens) if opens else None)


def test_of_several_windows_any_may_be_open() -> None:
    windows = [Window("0 2 * * *", 60.0), Window("0 3 * * *", 60.0)]
    assert opens_at(windows, at("2026-07-01T03:00:30")) is None
    assert opens_at(windows, at("2026-07-01T02:30")) == at("2026-07-01T03:00")
    assert opens_at([], 0.0) is None


def test_heals_of_the_last_hour_count_and_older_ones_are_forgotten() -> None:
    what = state("a", "a", "a")
    what.heals = [0.0, 4000.0, 4100.0]
    assert spent_budget(what, NOTHING, 5000.0, 3) == ""
    assert what.heals == [4000.0, 4100.0]
    assert "2 times within the last hour" in spent_budget(what, NOTHING, 5000.0, 2)


def test_a_clock_that_jumps_back_locks_nothing_up() -> None:
    what = state("a", "a", "a")
    what.heals = [9e9] * FLAPS
    assert spent_budget(what, NOTHING, 5000.0, FLAPS) == ""


def test_of_two_entries_for_one_project_the_one_that_put_something_there_has_it() -> None:
    a, b, other = (ProjectState(key, "s", name="shop", engine_id="e") for key in ("a", "b", "c"))
    other.engine_id = "another engine"
    assert owner_of([a, b, other], b) is a
    b.owned = ["service.web"]
    assert owner_of([a, b, other], a) is b
    assert owner_of([a, b, other], other) is other
