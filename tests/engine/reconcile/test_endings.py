"""Containers that exited with 0: the work that is done stays done, the service that went down comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import RunningEngine, running_docker, short_folder
from tests.workshop import Workshop

pytestmark = pytest.mark.root

# Ends with 0 when it is told to stop, as most servers do.
SERVER = "sh -c \"trap 'exit 0' TERM; while :; do sleep 0.1; done\""
FILE = """
services:
  worker: {{image: {image}, command: {server}{more}}}
  job: {{image: {image}, command: "true"{more}}}
"""


@pytest.fixture(params=["docker_engine", "rorqual_engine"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    engine: RunningEngine = request.getfixturevalue(request.param)
    with Workshop(tmp_path, engine, "endings") as workshop:
        yield workshop


def write(shop: Workshop, more: str = "") -> None:
    shop.write(FILE.format(image=shop.engine.image, server=SERVER, more=more))


def up_and_done(shop: Workshop) -> None:
    shop.run("up", "-d", "--wait")
    shop.docker("wait", f"{shop.name}-job-1")


def steps(shop: Workshop) -> list[tuple[str, str, str]]:
    return [(s["address"], s["action"], s["because"]) for s in shop.plan()["steps"]]


def test_what_was_stopped_is_started_again_and_what_ended_by_itself_is_not(shop: Workshop) -> None:
    write(shop)
    up_and_done(shop)
    assert steps(shop) == []
    shop.docker("stop", f"{shop.name}-worker-1")
    assert shop.inspect(f"{shop.name}-worker-1")["State"]["ExitCode"] == 0
    assert steps(shop) == [("service.worker.1", "run", "it was stopped")]
    shop.run("up", "-d")
    assert shop.inspect(f"{shop.name}-worker-1")["State"]["Running"]
    shop.run("stop")
    shop.run("start", "worker")
    assert steps(shop) == []


def test_what_has_a_port_is_no_one_shot(shop: Workshop) -> None:
    write(shop, ', ports: ["80"]')
    shop.run("up", "-d")
    shop.docker("wait", f"{shop.name}-job-1")
    assert steps(shop) == [("service.job.1", "run", "it is exited, and is no one-shot")]
    write(shop, ', ports: ["80"], restart: "no"')
    shop.run("up", "-d")
    shop.docker("wait", f"{shop.name}-job-1")
    assert steps(shop) == []


def test_what_went_down_with_dockerd_is_started_again_but_what_is_said_to_end_is_not(tmp_path: Path) -> None:
    with short_folder() as folder:
        with running_docker(folder) as engine:
            shop = Workshop(tmp_path, engine, "endings")
            write(shop)
            with (tmp_path / "compose.yaml").open("a") as file:
                file.write(f'  migrate: {{image: {engine.image}, command: "true", restart: "no"}}\n')
            up_and_done(shop)
            shop.docker("wait", "endings-migrate-1")
        with running_docker(folder) as engine:
            shop = Workshop(tmp_path, engine, "endings")
            assert shop.inspect("endings-worker-1")["State"]["ExitCode"] == 0
            # the job of a moment, with no word about its policy, is not run again either
            assert steps(shop) == [("service.worker.1", "run", "it went down with the engine")]
            shop.run("up", "-d")
            assert shop.inspect("endings-worker-1")["State"]["Running"]
