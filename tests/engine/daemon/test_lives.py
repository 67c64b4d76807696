"""How long a daemon lives: one for each root, until it is stopped or nobody needs it; started by who needs one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import RunningEngine, answers, needs, short_folder
from tests.house.modules import ROOT

pytestmark = pytest.mark.root
RORQUAL = [sys.executable, "-m", "engine.cli.main"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
# A machine of its own: no engine's socket, no state, no network but its own loopback.
ALONE = """
mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /var/lib/rorqual && mount -t tmpfs none /var/lib/rorqual
ip link set lo up
"""


@pytest.fixture
def place() -> Iterator[Path]:
    needs("unshare", "conmon")
    with short_folder() as place:
        yield place


def flags(place: Path) -> list[str]:
    return [f"--root={place / 'root'}", f"--run={place / 'run'}"]


def start(place: Path, *more: str, socket: str = "s") -> subprocess.Popen[str]:
    command = ["unshare", "--net", *RORQUAL, "daemon", *flags(place), f"--socket={place / socket}", *more]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def await_socket(process: subprocess.Popen[str], socket: Path) -> None:
    """Until the daemon answers: its socket takes connections earlier, and a killed one leaves daemon.json behind."""
    deadline = time.monotonic() + 30
    engine = RunningEngine("rorqual", socket, process.pid)
    while not answers(engine) or not (socket.parent / "run/daemon.json").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


def test_stop_ends_it_and_a_second_one_on_the_root_is_refused(place: Path) -> None:
    with start(place) as first:
        await_socket(first, place / "s")
        with start(place, socket="other") as second:
            assert second.wait(30) == 1
            assert second.stderr is not None and "another daemon works in" in second.stderr.read()
        assert not (place / "other").exists()
        done = subprocess.run(
            [*RORQUAL, "daemon", "stop", *flags(place)], env=ENVIRONMENT, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (0, f"stopped the daemon at {place / 's'}\n")
        assert first.wait(10) == 0
    assert not (place / "s").exists() and not (place / "run/daemon.json").exists()
    done = subprocess.run([*RORQUAL, "daemon", "stop", *flags(place)], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "no daemon is running\n")


def test_one_that_nobody_needs_ends_by_itself(place: Path) -> None:
    with start(place, "--idle-minutes=0.03") as process:
        await_socket(process, place / "s")
        assert process.wait(20) == 0


def test_a_killed_ones_root_is_free_at_once(place: Path) -> None:
    with start(place) as first:
        await_socket(first, place / "s")
        first.send_signal(signal.SIGKILL)
    with start(place) as second:
        await_socket(second, place / "s")
        second.send_signal(signal.SIGTERM)
        assert second.wait(10) == 0


def test_a_command_that_finds_no_engine_starts_one_and_others_use_it(place: Path) -> None:
    """Two at once start one; it is there for the next command, and goes when it is told to."""
    commands = """
    unset DOCKER_HOST DOCKER_CONTEXT RORQUAL_HOST CONTAINER_HOST
    "$@" ls >/run/one & "$@" ls >/run/two; wait; cat /run/one /run/two
    ls /run/rorqual/*/daemon.json | wc -l
    "$@" ls && "$@" daemon stop
    """
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-ec", ALONE + commands, "sh", *RORQUAL],
        env={**ENVIRONMENT, "DOCKER_CONFIG": str(place)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "NAME", "1", "NAME", "stopped"]


def test_who_is_not_root_is_told_what_to_do(place: Path) -> None:
    done = subprocess.run(
        [
            "unshare",
            "--net",
            "--mount",
            "sh",
            "-ec",
            ALONE + 'exec setpriv --reuid=65534 --clear-groups "$@" ls',
            "sh",
            *RORQUAL,
        ],
        env={**ENVIRONMENT, "DOCKER_CONFIG": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "no container engine was found" in done.stderr and "sudo rorqual daemon" in done.stderr
