"""The shared options refuse what they don't take, before an engine is asked."""

from __future__ import annotations

import subprocess

import pytest

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
