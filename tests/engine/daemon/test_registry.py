"""The daemon with a registry beside its API: one process, one store, one owner."""

from __future__ import annotations

import subprocess

import pytest

from tests.engine.daemon.daemons import IMAGE, running_daemon

pytestmark = pytest.mark.root
WHERE = "localhost:5057"


def test_what_is_pushed_to_the_daemons_own_registry_outlives_a_kill() -> None:
    with running_daemon() as daemon:

        def docker(*words: str) -> str:
            command = ["docker", f"--host={daemon.engine.host}", *words]
            return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout

        daemon.stop()
        daemon.start(f"--registry={WHERE.replace('localhost', '127.0.0.1')}")
        docker("tag", IMAGE, f"{WHERE}/own/busybox:1")
        docker("push", f"{WHERE}/own/busybox:1")
        docker("rmi", f"{WHERE}/own/busybox:1")
        daemon.kill()
        daemon.start(f"--registry={WHERE.replace('localhost', '127.0.0.1')}")
        assert "own/busybox" in docker("search", f"{WHERE}/own")
        docker("image", "prune", "-af")
        docker("pull", f"{WHERE}/own/busybox:1")
        assert docker("run", "--rm", f"{WHERE}/own/busybox:1", "echo", "hello") == "hello\n"
