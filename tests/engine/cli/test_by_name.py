"""The plain verbs and `down` where there is no file: the labels of the project's objects say enough."""

from __future__ import annotations

import pytest

from engine.cli.labelled import dependencies
from tests.engine.cli.conftest import Place

SERVICES = """\
  web:
    image: IMAGE
    command: [sleep, "1000"]
    depends_on: {db: {condition: service_healthy}}
    volumes: ["data:/data"]
    stop_grace_period: 0s
  db: {image: IMAGE, command: [sleep, "1000"], healthcheck: {test: "true", interval: 1s}, stop_grace_period: 0s}
  tool: {image: IMAGE, command: [sh, -c, echo tool], profiles: [tools]}"""


def test_dependencies_are_read_back_from_their_label() -> None:
    found = dependencies("db:service_healthy:false,cache:service_started:true")
    assert [(n, d.condition, d.restart) for n, d in found.items()] == [
        ("db", "service_healthy", False),
        ("cache", "service_started", True),
    ]
    assert dependencies("") == {}


@pytest.mark.root
def test_a_project_is_stopped_started_and_removed_by_its_name(place: Place) -> None:
    place.write(SERVICES, "volumes: {data: {}}")
    place.run("up", "-d")
    (place.folder / "compose.yaml").unlink()
    for verb, state in (("stop", "exited"), ("start", "running"), ("pause", "paused"), ("unpause", "running")):
        place.run("-p", place.name, verb)
        assert set(place.run("-p", place.name, "ps", "-a", "--format", "{{.State}}").split()) == {state}
    place.run("-p", place.name, "restart", "web")
    place.run("-p", place.name, "kill", "web")
    assert place.run("-p", place.name, "ps", "--services").split() == ["db"]
    place.run("-p", place.name, "down", "-v")
    assert place.run("-p", place.name, "ps", "-a", "-q") == ""
    assert place.run("-p", place.name, "volumes", "-q") == ""


@pytest.mark.root
def test_down_of_a_service_that_nobody_knows_is_an_error_and_removes_nothing(place: Place) -> None:
    place.write("  web: {image: IMAGE, command: [sleep, '1000'], stop_grace_period: 0s}")
    place.run("up", "-d")
    for words in (("down", "wbe"), ("-p", place.name, "down", "web", "wbe")):
        done = place.result(*words)
        assert (done.returncode, "no such service: wbe" in done.stderr) == (1, True), done.stderr
    assert place.run("ps", "--services").split() == ["web"]


@pytest.mark.root
def test_a_command_on_a_service_of_an_inactive_profile_makes_it_active(place: Place) -> None:
    place.write(SERVICES, "volumes: {data: {}}")
    assert place.run("run", "--rm", "tool") == "tool\n"
    assert place.result("pull", "tool").returncode == 1
    assert place.run("build", "tool") == ""
