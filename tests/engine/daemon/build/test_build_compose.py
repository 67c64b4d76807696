"""Docker Compose's own `build` and `up --build` against the embedded engine, by the classic builder's API."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.busybox import REFERENCE
from tests.engines import RunningEngine
from tests.scenarios.commands import Workplace, compose_binary, succeeded

pytestmark = pytest.mark.root
PROJECT = """
name: rqcompose
services:
  web:
    build:
      context: ./web
      dockerfile: Other
      target: prod
      args: {VERSION: "3"}
      labels: {made.by: compose}
      extra_hosts: ["far:1.2.3.4"]
      shm_size: 1m
    command: cat /version
"""
DOCKERFILE = f"""FROM {REFERENCE} AS prod
ARG VERSION
RUN echo version $VERSION > /version; grep far /etc/hosts >> /version
FROM scratch
"""


def test_compose_builds_runs_and_builds_again(rorqual_engine: RunningEngine, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(PROJECT)
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Other").write_text(DOCKERFILE)
    place = Workplace(tmp_path, rorqual_engine)

    def compose(*words: str) -> str:
        done = succeeded(place.run("env", "DOCKER_BUILDKIT=0", compose_binary(), *words))
        return done.out + done.err

    assert "Successfully tagged rqcompose-web:latest" in compose("build")
    assert "Using cache" in compose("build")
    try:
        said = compose("up", "--build")
        assert "version 3" in said and "1.2.3.4\tfar" in said
    finally:
        compose("down", "-t", "0")
