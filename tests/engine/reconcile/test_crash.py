"""A run killed right after any of its calls leaves a host that the next run converges, with no litter.

`make test` takes a fixed sample of the moments; RORQUAL_CHAOS=1 (`make chaos`) takes every one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import RunningEngine
from tests.faults import Relay
from tests.workshop import RORQUAL, Workshop

pytestmark = pytest.mark.root

FILE = """
services:
  db:
    image: {image}
    command: sleep 1000
    init: true
    environment: {{REVISION: "{revision}"}}
    healthcheck: {{test: [CMD, "true"], interval: 1s}}
    volumes: ["data:/data", "/anonymous"]
    networks: [back]
  web:
    image: {image}
    command: sleep 1000
    init: true
    scale: {scale}
    environment: {{REVISION: "{revision}"}}
    depends_on: {{db: {{condition: service_healthy}}}}
    networks: [front, back]
    secrets: [key]
networks: {{front: {{labels: {{revision: "{revision}"}}}}, back: }}
volumes: {{data: }}
secrets: {{key: {{environment: KEY}}}}
"""
SAMPLE = 4


@pytest.fixture(params=["docker_engine", "rorqual_engine"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    engine: RunningEngine = request.getfixturevalue(request.param)
    environment = {"KEY": "k", "RORQUAL_STATE": str(tmp_path / "state")}
    with Workshop(tmp_path, engine, "crash", environment) as workshop:
        yield workshop


def write(shop: Workshop, revision: int, scale: int = 2) -> None:
    shop.write(FILE.format(image=shop.engine.image, revision=revision, scale=scale))


def moments(count: int) -> list[int]:
    """The calls after which to die, from 1."""
    if os.environ.get("RORQUAL_CHAOS"):
        return list(range(1, count + 1))
    return sorted(random.Random(20).sample(range(1, count + 1), min(SAMPLE, count)))


def killed(shop: Workshop, fatal: int | None, *words: str) -> Relay:
    relay = Relay(shop.engine.socket, shop.folder / "relay.sock", fatal)
    environment = {"COMPOSE_PROJECT_NAME": shop.name, **shop.environment}
    done = relay.run(["env", *(f"{k}={v}" for k, v in environment.items()), RORQUAL, *words], shop.folder)
    assert done.returncode == (0 if fatal is None else -9), done.stderr
    return relay


def writes(relay: Relay) -> int:
    """The calls of every such run: an image is named for the history only once."""
    return len([call for call in relay.calls if "/tag?" not in call])


def assert_accounted(shop: Workshop, kills: int) -> None:
    """What was killed is in the history as interrupted, but for runs that died before their first write or after their
    last; nothing of it is still taken for running.
    """
    lines = shop.run("history", "-p", shop.name, "--format", "{{.State}}").stdout.split()
    assert set(lines) <= {"done", "interrupted"}
    # two good releases stand between one kill and the next, and the history keeps so many of those
    kept = min(kills, lines.count("done") // 2)
    assert kept - 4 <= lines.count("interrupted") <= kills, lines


def assert_converged(shop: Workshop, replicas: int) -> None:
    shop.run("up", "-d")
    assert shop.plan()["steps"] == []
    expected = {f"{shop.name}-db-1", *(f"{shop.name}-web-{n}" for n in range(1, replicas + 1))}
    assert set(shop.containers()) == expected
    label = f"label=com.docker.compose.project={shop.name}"
    assert len(shop.docker("network", "ls", "-q", "--filter", label).split()) == 2


def test_a_first_up_killed_after_any_call_is_finished_by_the_next(shop: Workshop) -> None:
    write(shop, 1)
    count = writes(killed(shop, None, "up", "-d"))
    for moment in moments(count):
        shop.run("down", "-v", "-t", "1")
        killed(shop, moment, "up", "-d")
        assert_converged(shop, 2)
    assert_accounted(shop, len(moments(count)))


def test_a_change_killed_after_any_call_is_finished_by_the_next(shop: Workshop) -> None:
    write(shop, 0)
    shop.run("up", "-d")
    write(shop, 1)
    count = writes(killed(shop, None, "up", "-d"))
    for revision, moment in enumerate(moments(count), start=2):
        write(shop, revision)
        killed(shop, moment, "up", "-d")
        assert_converged(shop, 2)
    assert_accounted(shop, len(moments(count)))


def test_a_down_killed_after_any_call_is_finished_by_the_next(shop: Workshop) -> None:
    write(shop, 1)
    shop.run("up", "-d")
    count = writes(killed(shop, None, "down", "-v", "-t", "1"))
    for moment in moments(count):
        shop.run("up", "-d")
        killed(shop, moment, "down", "-v", "-t", "1")
        shop.run("down", "-v", "-t", "1")
        assert shop.containers() == {}
        label = f"label=com.docker.compose.project={shop.name}"
        assert shop.docker("network", "ls", "-q", "--filter", label) == ""
        assert shop.docker("volume", "ls", "-q", "--filter", label) == ""
    assert_accounted(shop, len(moments(count)))
