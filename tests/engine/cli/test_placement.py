"""Where nobody names an engine, the project's own objects do; a second copy beside the first is never made."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.engines import RunningEngine
from tests.workshop import RORQUAL, Workshop

pytestmark = pytest.mark.root


def run(folder: Path, docker: RunningEngine, podman: RunningEngine, *words: str) -> subprocess.CompletedProcess[str]:
    """One command line that has to find its engine: Docker is found first, Podman second."""
    runtime = folder / "runtime"
    runtime.mkdir(exist_ok=True)
    if not (runtime / "docker.sock").exists():
        (runtime / "docker.sock").symlink_to(docker.socket)
    named = ("DOCKER_HOST", "RORQUAL_HOST", "DOCKER_CONTEXT")
    environment = {k: v for k, v in os.environ.items() if k not in named}
    environment |= {"XDG_RUNTIME_DIR": str(runtime), "CONTAINER_HOST": podman.host, "DOCKER_CONFIG": str(folder)}
    return subprocess.run(
        [RORQUAL, "-p", "placed", "-f", "compose.yaml", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_project_stays_on_the_engine_that_holds_it(
    tmp_path: Path, docker_engine: RunningEngine, podman_engine: RunningEngine
) -> None:
    text = f"services: {{a: {{image: {docker_engine.image}, command: sleep 1000, init: false, stop_grace_period: 0s}}}}"
    with Workshop(tmp_path, docker_engine, "placed") as here, Workshop(tmp_path, podman_engine, "placed") as there:
        here.write(text)
        there.run("up", "-d")
        found = run(tmp_path, docker_engine, podman_engine, "up", "-d")
        assert found.returncode == 0, found.stderr
        assert str(podman_engine.socket) in found.stderr
        assert here.containers() == {}
        # every other command goes where the project is, too: a `down` that looks elsewhere would leave it running
        assert run(tmp_path, docker_engine, podman_engine, "ps", "-q").stdout.strip()
        stopped = run(tmp_path, docker_engine, podman_engine, "down", "-t", "0")
        assert (stopped.returncode, there.containers()) == (0, {}), stopped.stderr
        there.run("up", "-d")
        here.run("up", "-d")
        refused = run(tmp_path, docker_engine, podman_engine, "up", "-d")
        assert refused.returncode == 1
        assert str(podman_engine.socket) in refused.stderr
        assert "-H" in refused.stderr
        there.run("down", "-t", "0")
        here.run("down", "-t", "0")
