"""Waits end: with the condition, with what went wrong, or with the signal; never not at all."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.plan.steps import WaitFor
from engine.reconcile.waits import Looks
from tests.engines import RunningEngine
from tests.workshop import RORQUAL, Workshop


def look(
    status: str, *, restarts: int = 0, started: str = "1", health: str | None = None, probes: int = 0
) -> dict[str, Any]:
    state = {"Status": status, "ExitCode": 3, "StartedAt": started}
    state["Health"] = {"Status": health, "Log": [{}] * probes} if health else None
    check = {"Interval": 2 * 10**9, "Timeout": 3 * 10**9}
    return {"State": state, "RestartCount": restarts, "Config": {"Healthcheck": check}}


def test_what_is_seen_running_must_stay_so_for_a_moment() -> None:
    looks = Looks(WaitFor("web", "settled"))
    assert looks.judge(look("running"), 10.0) is False
    assert looks.judge(look("running"), 10.4) is True


def test_a_restart_in_between_begins_the_moment_anew() -> None:
    looks = Looks(WaitFor("web", "settled"))
    assert looks.judge(look("running"), 10.0) is False
    assert looks.judge(look("running", restarts=1, started="2"), 10.4) is False
    assert looks.judge(look("running", restarts=1, started="2"), 12.5) is True


def test_what_is_healthy_needs_no_moment_and_no_count_of_restarts() -> None:
    assert Looks(WaitFor("web", "settled")).judge(look("running", restarts=50, health="healthy"), 1.0) is True


@pytest.mark.parametrize("condition", ["settled", "started", "healthy", "completed"])
def test_a_crash_loop_ends_every_wait_that_has_no_end_of_its_own(condition: str) -> None:
    verdict = Looks(WaitFor("web", condition)).judge(look("restarting", restarts=6), 1.0)
    assert verdict == "keeps restarting: 6 times by now, and the last time it exited with code 3"
    patient = Looks(WaitFor("web", condition, timeout_seconds=60))
    assert patient.judge(look("restarting", restarts=6), 1.0) is False


def test_what_restarted_long_ago_and_is_starting_now_is_waited_for() -> None:
    looks = Looks(WaitFor("web", "healthy"))
    assert looks.judge(look("running", restarts=40, health="starting"), 1.0) is False
    assert "keeps restarting" in str(looks.judge(look("running", restarts=46, health="starting"), 2.0))


def test_an_engine_that_runs_no_health_probes_is_not_waited_for() -> None:
    looks = Looks(WaitFor("web", "healthy"))
    assert looks.judge(look("running", health="starting"), 1.0) is False
    assert looks.judge(look("running", health="starting"), 35.0) is False
    assert "no health probe in 36 s" in str(looks.judge(look("running", health="starting"), 37.0))
    assert looks.judge(look("running", health="starting", probes=1), 1000.0) is False


FILE = """
services:
  bad: {{image: {image}, command: "sh -c 'echo no such table; exit 3'", restart: always{more}}}
  web: {{image: {image}, command: sleep 1000, init: true, depends_on: {{bad: {{condition: service_healthy}}}}}}
"""
CHECK = ", healthcheck: {test: exit 0, interval: 1s}"


@pytest.fixture(params=["docker_engine", "rorqual_engine"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    engine: RunningEngine = request.getfixturevalue(request.param)
    with Workshop(tmp_path, engine, "waits") as workshop:
        workshop.write(FILE.format(image=engine.image, more=CHECK))
        yield workshop


@pytest.mark.root
def test_up_of_a_crash_loop_names_its_exit_code_and_shows_its_log(shop: Workshop) -> None:
    done = shop.run("up", "-d", "web", code=1)
    assert "compose.yaml:3:" in done.stderr
    assert "keeps restarting" in done.stderr
    assert "exited with code 3" in done.stderr
    assert "log: no such table" in done.stderr
    assert "not reached, because of that: service.web.1" in done.stderr
    assert "was not up within 1 s" in shop.run("up", "-d", "bad", "--wait", "--wait-timeout", "1", code=1).stderr


@pytest.mark.root
def test_one_signal_ends_a_wait(shop: Workshop) -> None:
    environment = ["env", f"DOCKER_HOST={shop.engine.host}", f"COMPOSE_PROJECT_NAME={shop.name}"]
    command = [*environment, RORQUAL, "up", "-d", "web"]
    with subprocess.Popen(command, cwd=shop.folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "service.bad.1 waiting" in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
