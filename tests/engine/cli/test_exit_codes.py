"""Every meaning of an exit code in the manual's table, seen: (code, command) → how it comes about."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.cli.exitcodes import MEANINGS, PASSING
from engine.cli.main import run
from tests.engine.cli.conftest import PATIENCE, Place

GOOD = "services: {a: {image: x}}\n"
AGENT = "sources: {s: {git: /srv/a.git, projects: {p: {}}}}\n"
BAD = "services: {a: {image: x, depends_on: [b]}}\n"
JOB = "  job: {image: IMAGE, command: [sh, -c, 'read line; exit 9'], stdin_open: true}\n"
WEB = "  web: {image: IMAGE, command: [sleep, '1000'], stop_grace_period: 0s}\n"


def stale(place: Place) -> int:
    place.run("plan", "--out", "saved")
    place.run("up", "-d")
    return place.result("apply", "saved").returncode


def same(place: Place) -> int:
    place.run("up", "-d")
    return place.result("diff").returncode


def locked(place: Place) -> int:
    place.docker("volume", "create", "--label", "io.rorqual.lock.nonce=x", f"rorqual-lock-{place.name}")
    try:
        return place.result("up", "-d", "--lock-timeout", "0").returncode
    finally:
        place.docker("volume", "rm", f"rorqual-lock-{place.name}")


def rolled_back(place: Place) -> int:
    place.run("up", "-d")
    place.write(WEB.replace("[sleep, '1000']", "[/no/such/program]"))
    return place.result("up", "--rollback-on-failure").returncode


# of commands that need no engine: their words
ON_FILES: dict[tuple[int, str], list[str]] = {
    (0, ""): ["config", "-q"],
    (1, ""): ["config", "-q", "-f", "bad.yaml"],
    (64, ""): ["config", "--no-such-flag"],
    (0, "validate"): ["validate"],
    (1, "validate"): ["validate", "-f", "bad.yaml"],
    (2, "validate"): ["validate", "-f", "missing.yaml"],
    (0, "agent validate"): ["agent", "validate", "-c", "agent.yaml"],
    (1, "agent validate"): ["agent", "validate", "-c", "bad.yaml"],
    (2, "diff"): ["diff", "-f", "bad.yaml"],
    (2, "drift"): ["drift", "-f", "bad.yaml"],
}
ON_AN_ENGINE: dict[tuple[int, str], Callable[[Place], int]] = {
    (2, "plan --detailed-exitcode"): lambda place: place.result("plan", "--detailed-exitcode").returncode,
    (0, "diff"): same,
    (0, "drift"): lambda place: after_up(place, "drift"),
    (1, "drift"): lambda place: place.result("drift").returncode,
    (1, "diff"): lambda place: place.result("diff").returncode,
    (4, "apply"): stale,
    (3, "up --rollback-on-failure"): rolled_back,
    (5, ""): locked,
}
INTERRUPTED = (130, "")
# on a daemon whose state is damaged for it: tests/engine/daemon/test_check.py
ON_DAMAGED_STATE = {(0, "system check"), (1, "system check")}
# the container's own code, 9
PASSED: dict[str, Callable[[Place], int]] = {
    "exec": lambda place: after_up(place, "exec", "web", "sh", "-c", "exit 9"),
    "run": lambda place: place.result("run", "--rm", "web", "sh", "-c", "exit 9").returncode,
    "attach": lambda place: after_up(place, "attach", "job", stdin="line\n"),
    "wait": lambda place: waited(place),
    "up --exit-code-from": lambda place: place.result("up", "--exit-code-from", "quick").returncode,
    "up --abort-on-container-exit": lambda place: place.result("up", "--abort-on-container-exit").returncode,
}


def after_up(place: Place, *words: str, stdin: str = "") -> int:
    place.run("up", "-d")
    return place.result(*words, stdin=stdin).returncode


def waited(place: Place) -> int:
    place.write("  quick: {image: IMAGE, command: [sh, -c, exit 9]}\n")
    return after_up(place, "wait", "quick")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "agent.yaml").write_text(AGENT)
    return tmp_path


def test_every_meaning_of_the_manual_is_tested() -> None:
    assert {(each.code, each.command) for each in MEANINGS} == {
        *ON_FILES,
        *ON_AN_ENGINE,
        *ON_DAMAGED_STATE,
        INTERRUPTED,
    }
    assert set(PASSING) == set(PASSED)


@pytest.mark.parametrize("meaning", ON_FILES, ids=str)
def test_a_command_on_files_ends_as_the_manual_says(meaning: tuple[int, str], here: Path) -> None:
    assert run(ON_FILES[meaning]) == meaning[0]


def test_a_command_that_is_interrupted_ends_with_130_and_no_traceback(here: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.cli.main", "config", "-f", "-"],
        cwd=here,
        env=environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until_it_reads(process.pid)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert (process.returncode, told) == (130, b"")


INTERRUPTED_AT_AN_IMPORT = """
import os, signal, sys
from engine.cli.entry import main
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == NAME:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["rorqual", "up"]
main()
"""


@pytest.mark.parametrize("module", ["engine.cli.main", "engine.cli.up"])
def test_an_interrupt_while_modules_are_read_ends_with_130_and_no_traceback(here: Path, module: str) -> None:
    script = INTERRUPTED_AT_AN_IMPORT.replace("NAME", repr(module))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    ended = subprocess.run([sys.executable, "-c", script], cwd=here, env=environment, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (130, b"")


def wait_until_it_reads(pid: int) -> None:
    """Until it waits for its standard input."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if Path(f"/proc/{pid}/syscall").read_text().split()[:2] == ["0", "0x0"]:
            return
        time.sleep(0.02)
    pytest.fail("it never read its standard input")


@pytest.mark.root
@pytest.mark.parametrize("meaning", ON_AN_ENGINE, ids=str)
def test_a_command_on_an_engine_ends_as_the_manual_says(meaning: tuple[int, str], place: Place) -> None:
    place.write(WEB)
    assert ON_AN_ENGINE[meaning](place) == meaning[0]


@pytest.mark.root
@pytest.mark.parametrize("command", PASSED)
def test_the_code_of_the_container_comes_through(command: str, place: Place) -> None:
    if command.startswith("up "):
        place.write(WEB + "  quick: {image: IMAGE, command: [sh, -c, exit 9]}\n")
    else:
        place.write(WEB + JOB)
    assert PASSED[command](place) == 9
