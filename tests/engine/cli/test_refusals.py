"""What is wrong with a command line is said by its own words, before anything is done, and at no place of the file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.engine.cli.conftest import RORQUAL, Place

WEB = "  web: {image: IMAGE, command: [sleep, '1000'], stop_grace_period: 0s}"


def nowhere(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command that may reach no engine."""
    environment = {"PATH": "/usr/bin:/bin", "RORQUAL_STATE": str(folder / "state"), **variables}
    command = [RORQUAL, "-H", "unix:///nowhere", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("verb", ["ps", "down", "stop", "logs", "config", "images", "history"])
@pytest.mark.parametrize("by", ["-p", "COMPOSE_PROJECT_NAME"])
def test_what_no_project_can_be_called_is_refused_wherever_a_name_is_taken(tmp_path: Path, verb: str, by: str) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x}}\n")
    done = nowhere(tmp_path, "-p", "Bad Name", verb) if by == "-p" else nowhere(tmp_path, verb, **{by: "Bad Name"})
    said = f"'Bad Name' (from {by}) can't be a project name"
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_a_state_directory_that_is_a_file_is_an_error_of_history(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = nowhere(tmp_path, "-p", "any", "history", RORQUAL_STATE=str(tmp_path / "file"))
    assert (done.returncode, "Not a directory" in done.stderr) == (1, True), done.stderr


def test_a_config_that_cannot_be_written_is_told_by_the_name_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("name: p\nservices: {a: {image: x}}\n")
    done = nowhere(tmp_path, "config", "-o", "/missing/folder/x")
    assert (done.returncode, done.stderr) == (1, "rorqual: /missing/folder/x: No such file or directory\n")


@pytest.mark.root
def test_an_export_that_cannot_be_written_is_told_by_the_name_that_was_asked_for(place: Place) -> None:
    place.write(WEB)
    place.run("up", "-d")
    (place.folder / "file").write_text("")
    for output, why in (("/missing/x", "No such file or directory"), ("file/x", "Not a directory")):
        done = place.result("export", "-o", output, "web")
        assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"rorqual: {output}: {why}")


@pytest.mark.root
def test_where_there_is_nothing_to_watch_nothing_is_started(place: Place) -> None:
    place.write(WEB)
    for words in (("watch",), ("up", "--watch")):
        done = place.result(*words)
        assert (done.returncode, "nothing to watch" in done.stderr) == (1, True), done.stderr
        assert place.run("ps", "-a", "-q") == ""


@pytest.mark.root
def test_a_refused_option_points_at_no_place_of_the_file(place: Place) -> None:
    place.write(WEB)
    place.run("up", "-d")
    for words, code in (
        (("kill", "-s", "BOGUS"), "bad-signal"),
        (("run", "--name", "a b", "web", "true"), "bad-name"),
    ):
        done = place.result(*words)
        assert done.returncode != 0
        assert f"error[{code}]" in done.stderr, done.stderr
        assert "compose.yaml:" not in done.stderr, done.stderr
