"""The same converging on Podman, whose inspect doesn't repeat what was asked and which can't update in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import RunningEngine
from tests.workshop import Workshop

pytestmark = pytest.mark.root

FILE = """
services:
  db:
    image: {image}
    command: sleep 1000
    stop_grace_period: 1s
    healthcheck: {{test: [CMD, "true"], interval: 1s}}
    volumes: ["data:/data", /anonymous, "./conf:/conf:ro"]
    mem_limit: {memory}
    secrets: [password]
  web:
    image: {image}
    command: sleep 1000
    stop_grace_period: 1s
    depends_on: [db]
    environment: {{MODE: {mode}, EMPTY: "", PASSWORD: hunter2}}
    labels: {{tier: front}}
    networks: {{front: {{aliases: [www]}}, back: }}
    hostname: webhost
    extra_hosts: ["one:10.0.0.1"]
    cap_add: [NET_ADMIN]
    tmpfs: [/scratch]
    working_dir: /tmp
    user: "1000:1000"
    configs: [{{source: app, target: /etc/app.conf}}]
  job:
    image: {image}
    command: ["true"]
networks: {{front: , back: {{internal: true}}}}
volumes: {{data: {{labels: {{keep: "yes"}}}}}}
secrets: {{password: {{file: ./password.txt}}}}
configs: {{app: {{content: "a = b"}}}}
"""


@pytest.fixture
def shop(tmp_path: Path, podman_engine: RunningEngine) -> Iterator[Workshop]:
    (tmp_path / "password.txt").write_text("correct horse")
    (tmp_path / "conf").write_text("a = 1\n")
    with Workshop(tmp_path, podman_engine, "pod") as workshop:
        yield workshop


def write(shop: Workshop, memory: str = "64m", mode: str = "dev") -> None:
    shop.write(FILE.format(image=shop.engine.image, memory=memory, mode=mode))


def test_up_converges_and_the_plan_after_it_is_empty(shop: Workshop) -> None:
    write(shop)
    shop.run("up", "-d")
    assert shop.plan()["steps"] == []
    shop.run("down", "-v")
    assert shop.containers() == {}


def test_a_changed_limit_replaces_where_the_engine_has_no_update(shop: Workshop) -> None:
    write(shop)
    shop.run("up", "-d")
    write(shop, memory="128m", mode="prod")
    steps = [(s["address"], s["action"]) for s in shop.plan()["steps"] if s["action"] != "wait"]
    assert steps == [("service.db.1", "replace"), ("service.web.1", "replace")]
    shop.run("up", "-d")
    assert shop.plan()["steps"] == []
