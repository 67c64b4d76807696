"""The shared options refuse what they don't take, before an engine is asked."""

from __future__ import annotations

import subprocess

import pytest
import typer

from engine.cli.flagvalues import spelled_out
from engine.cli.main import make_app
from tests.engine.cli.conftest import RORQUAL


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--progress", '--progress takes auto, tty, plain, json or quiet, not "fancy"'),
        ("--ansi", '--ansi takes auto, always or never, not "fancy"'),
    ],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_value_that_an_engine_flag_does_not_take_is_a_usage_error(flag: str, said: str, after: bool) -> None:
    words = ["ps", flag, "fancy"] if after else [flag, "fancy", "ps"]
    done = subprocess.run([RORQUAL, "-H", "unix:///nowhere", *words], capture_output=True, text=True, timeout=30)
    assert (done.returncode, said in done.stderr) == (64, True), done.stderr


def test_a_copy_into_a_service_says_that_the_path_is_missing() -> None:
    done = subprocess.run(
        [RORQUAL, "-H", "unix:///nowhere", "-p", "any", "cp", "file", "web:"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    said = "web: has no path after the colon: write web:/ for the container's root"
    assert (done.returncode, said in done.stderr) == (64, True), done.stderr


@pytest.mark.parametrize(
    ("words", "spelled"),
    [
        ("up --detach=true --build=false web", "up --detach web"),
        ("ps --orphans=false --all=1 -q", "ps --no-orphans --all -q"),
        ("up --menu=false", "up --no-menu"),
        ("logs --tail=1 --no-color=T", "logs --tail=1 --no-color"),
        ("up --scale=web=1 --wait=yes", "up --scale=web=1 --wait=yes"),
        ("run --rm=true -e A=--rm=true web sh --rm=true", "run --rm -e A=--rm=true web sh --rm=true"),
        ("exec -T -- web --x=true", "exec -T -- web --x=true"),
        ("container ls --all=true", "container ls --all"),
    ],
)
def test_a_flag_takes_true_and_false_as_in_compose(words: str, spelled: str) -> None:
    name = words.partition(" ")[0]
    command = typer.main.get_command(make_app(name))
    assert " ".join(spelled_out(command, words.split(" "))) == spelled


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["daemon", "--root", "/nowhere", "stop"], "--root goes after the command: rorqual daemon stop --root"),
        (["daemon", "--registry-mirror", "https://m", "unit"], "--registry-mirror goes after the command"),
        (["plan", "--pull", "sometimes"], '--pull takes always, missing or never, not "sometimes"'),
        (["create", "--pull", "sometimes"], '--pull takes always, missing or never, not "sometimes"'),
        (["create", "--build", "--no-build"], "--build and --no-build contradict each other"),
        (["up", "--no-start", "--wait"], "--no-start starts nothing"),
        (["up", "--watch-source", "--yes", "--keep", "3"], "leave out --yes, --keep"),
        (["up", "--watch-source", "web"], "leave out services"),
    ],
)
def test_what_would_be_passed_over_is_refused(words: list[str], said: str) -> None:
    done = subprocess.run([RORQUAL, *words], capture_output=True, text=True, timeout=30)
    assert (done.returncode, said in done.stderr) == (64, True), done.stderr
