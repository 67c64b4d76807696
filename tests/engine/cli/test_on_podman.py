"""The commands that lean most on an engine's manners, on Podman: streams, exit codes, restarts, archives."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest

from tests.engine.cli.conftest import Place
from tests.engines import RunningEngine

pytestmark = pytest.mark.root

SERVICES = """\
  web:
    image: IMAGE
    command: [sh, -c, 'while true; do i=$$((i+1)); echo "$$HOSTNAME $$i $$(cat /proc/uptime)"; sleep 0.1; done']
    stop_grace_period: 0s
  job: {image: IMAGE, command: [sh, -c, 'echo done; exit 3']}"""


@pytest.fixture(scope="module")
def up(podman_engine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("podman"), f"cli{uuid.uuid4().hex[:8]}", podman_engine)
    place.write(SERVICES)
    place.run("up", "-d")
    yield place
    place.run("down", "-v", code=None)


def test_exit_codes_come_through(up: Place) -> None:
    assert up.run("exec", "-T", "web", "sh", "-c", "cat; exit 7", stdin="typed", code=7) == "typed"
    assert up.run("run", "--rm", "job", "sh", "-c", "cat; exit 5", stdin="typed", code=5) == "typed"
    up.run("wait", "job", code=3)
    assert up.result("run", "--rm", "job", "no-such-program").returncode == 1
    assert "run" not in up.run("ps", "-a", "--format", "{{.Name}}")


def test_followed_logs_go_on_after_a_restart(up: Place) -> None:
    process = up.begin("logs", "-f", "web")
    up.wait_for(r"web-1 +\| ")
    up.run("restart", "web")
    up.wait_for(r"web-1 exited with code 137")
    up.wait_for(r"(?s)exited with code.*web-1 +\| ")
    up.run("stop", "web")
    assert process.wait(20) == 0
    lines = re.findall(r"^web-1 +\| (.*)$", (up.folder / "output").read_text(), re.MULTILINE)
    assert len(lines) == len(set(lines)) > 5
    up.run("start", "web")


def test_files_go_both_ways(up: Place) -> None:
    up.run("cp", "compose.yaml", "web:/tmp/there")
    up.run("cp", "web:/tmp/there", "back.yaml")
    assert (up.folder / "back.yaml").read_text() == (up.folder / "compose.yaml").read_text()


def test_every_listing_has_its_row(up: Place) -> None:
    assert f"{up.name}-job-1" in up.run("ps", "-a")
    assert f"{up.name}-web-1" in up.run("stats", "--no-stream")
    assert "uptime" in up.run("top", "web")
    assert up.run("ls", "-a", "-q", "--filter", f"name=^{up.name}$") == f"{up.name}\n"
    assert "job-1  | done" in up.run("logs", "job")


def test_a_terminal_works_there_too(up: Place) -> None:
    terminal = up.terminal("exec", "web", "sh")
    terminal.size(33, 101)
    terminal.wait_for(rb"# ")
    terminal.type(b"stty size\r")
    terminal.wait_for(rb"33 101\r")
    terminal.type(b"exit 9\r")
    assert terminal.end() == 9
    assert terminal.restored
