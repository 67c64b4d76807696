"""Each example as a user runs it: up, healthy, nothing left to change, down, nothing left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.engines import RunningEngine
from tests.scenarios.commands import ROOT, Workplace, succeeded

pytestmark = [pytest.mark.root, pytest.mark.slow]
Open = Callable[[str], Workplace]


@pytest.fixture
def example(docker_engine: RunningEngine) -> Iterator[Open]:
    opened: list[Workplace] = []

    def open_example(name: str) -> Workplace:
        place = Workplace(ROOT / "examples" / name, docker_engine)
        opened.append(place)
        return place

    yield open_example
    for place in opened:
        place.rorqual("down", "-v", "--remove-orphans", "-t", "0")


def assert_converged(place: Workplace, project: str) -> None:
    """An empty plan, and a second `up` that leaves every container as it was."""
    plan = place.rorqual("plan", "--detailed-exitcode")
    assert (plan.code, plan.err) == (0, ""), plan.out
    assert plan.out.startswith("Nothing to change")
    before = place.states(project)
    assert "Nothing to change" in succeeded(place.rorqual("up", "-d")).err
    assert before and place.states(project) == before


def assert_gone(place: Workplace, project: str) -> None:
    succeeded(place.rorqual("down", "-v", "-t", "1"))
    assert place.remains(project) == ""


def test_hello(example: Open) -> None:
    place = example("hello")
    succeeded(place.rorqual("up", "-d", "--wait"))
    assert "Hello from Rorqual" in place.fetch("http://127.0.0.1:8081/")
    assert_converged(place, "hello")
    assert_gone(place, "hello")


def test_shop(example: Open) -> None:
    place = example("shop")
    succeeded(place.rorqual("up", "-d", "--wait"))
    pages = [place.fetch("http://127.0.0.1:8080/") for _ in range(8)]
    assert all("krill, 4 tonnes: 12.50 (40 left)" in page for page in pages)
    assert len({page.rpartition("served by ")[2] for page in pages}) == 2, "both replicas answer"
    order = place.fetch("http://127.0.0.1:8080/api/orders", "--data", '{"name": "sea chart, Azores"}')
    assert json.loads(order) == {"name": "sea chart, Azores", "left": 4}
    assert_converged(place, "shop")

    succeeded(place.rorqual("down"))
    succeeded(place.rorqual("up", "-d", "--wait"))
    assert "sea chart, Azores: 24.00 (4 left)" in place.fetch("http://127.0.0.1:8080/"), "the volume outlives down"

    succeeded(place.docker("rm", "-f", "shop-api-2"))
    plan = place.rorqual("plan", "--detailed-exitcode")
    assert plan.code == 2
    assert "+ service.api.2" in plan.out
    succeeded(place.rorqual("up", "-d", "--wait"))
    assert_converged(place, "shop")
    assert_gone(place, "shop")


def test_jobs_run_once_and_again_only_when_asked(example: Open) -> None:
    place = example("jobs")
    succeeded(place.rorqual("up", "-d", "--wait"))
    report = json.loads(place.fetch("http://127.0.0.1:8082/"))
    assert report[0] == {"name": "blue whale", "metres": 29.9}
    assert_converged(place, "jobs")
    before = place.states("jobs")
    succeeded(place.rorqual("up", "-d", "--rerun", "fill"))
    after = place.states("jobs")
    assert after["jobs-fill-1"] != before["jobs-fill-1"]
    assert after["jobs-migrate-1"] == before["jobs-migrate-1"]
    assert_gone(place, "jobs")


def test_a_project_of_docker_compose_is_adopted_and_given_back(example: Open) -> None:
    hello = example("hello")
    succeeded(hello.rorqual("build"))
    place = example("adopt")
    succeeded(place.compose("up", "-d", "--wait"))
    made_by_compose = place.states("adopt")
    assert_converged(place, "adopt")
    assert place.states("adopt") == made_by_compose
    assert "kept by the other" in place.fetch("http://127.0.0.1:8083/")

    succeeded(place.compose("up", "-d", "--wait"))
    assert place.states("adopt") == made_by_compose, "and Compose finds its own again"
    assert_gone(place, "adopt")


def test_a_project_of_ours_is_docker_composes_too(example: Open) -> None:
    hello = example("hello")
    succeeded(hello.rorqual("build"))
    place = example("adopt")
    succeeded(place.rorqual("up", "-d", "--wait"))
    made_by_us = place.states("adopt")
    listed = [json.loads(line) for line in succeeded(place.compose("ps", "--format", "json")).out.splitlines()]
    assert sorted(entry["Service"] for entry in listed) == ["ticker", "web"]
    succeeded(place.compose("up", "-d", "--wait"))
    assert place.states("adopt") == made_by_us
    succeeded(place.compose("down", "-v", "-t", "1"))
    assert place.remains("adopt") == ""
