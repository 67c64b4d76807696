"""`rorqual agent` and `up --watch-source` as a user runs them: real processes, signals, logs."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.engine.gitops.repository import make_repository
from tests.engines import RunningEngine
from tests.workshop import RORQUAL, Workshop

PATIENCE_SECONDS = 40.0
WEB = """\
services:
  web:
    image: {image}
    command: sleep {seconds}
    init: true
    stop_grace_period: 1s
"""


@pytest.fixture
def workshop(rorqual_engine: RunningEngine, tmp_path: Path) -> Iterator[Workshop]:
    with Workshop(tmp_path, rorqual_engine, f"agent-{uuid4().hex[:8]}") as found:
        yield found


@contextmanager
def running(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A command in the background, its words in a file; ended if it still runs."""
    log = folder / "log"
    with log.open("ab") as out:
        process = subprocess.Popen([RORQUAL, *words], cwd=folder, stdout=out, stderr=out)
        try:
            yield process, log
        finally:
            process.kill()
            process.wait()


def await_words(log: Path, words: str, count: int = 1) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while log.read_text().count(words) < count:
        assert time.monotonic() < deadline, f"{words!r} never came:\n{log.read_text()}"
        time.sleep(0.05)


def test_validate_says_what_is_wrong_and_how_many_projects_there_are(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("sources: {s: {git: /srv/a.git, projects: {p: {}}}}\n")
    bad.write_text("sources: {s: {gti: /srv/a.git, projects: {p: {}}}}\n")
    done = [
        subprocess.run([RORQUAL, "agent", "validate", "-c", each], capture_output=True, text=True, cwd=tmp_path)
        for each in (good.name, bad.name)
    ]
    assert (done[0].returncode, done[0].stdout) == (0, "good.yaml: 1 source, 1 project named\n")
    assert done[1].returncode == 1
    assert "bad.yaml:1:15: error[unknown-key]: sources.s.gti" in done[1].stdout
    assert 'hint: did you mean "git"?' in done[1].stdout


@pytest.mark.root
def test_run_converges_logs_json_and_ends_in_order(workshop: Workshop) -> None:
    repository = make_repository(workshop.folder / "r")
    first = repository.commit({"compose.yaml": WEB.format(image=workshop.engine.image, seconds=1000)})
    workshop.write(
        f"state: {workshop.folder}/state\nengine: {{host: '{workshop.engine.host}'}}\n"
        f"sources: {{s: {{git: {repository.bare}, interval: 200ms, projects: {{{workshop.name}: {{}}}}}}}}\n",
        "agent.yaml",
    )
    words = ("agent", "run", "-c", "agent.yaml", "--log-format", "json")
    with running(workshop.folder, *words) as (process, log):
        await_words(log, '"kind": "synced"')
        event = json.loads(next(line for line in log.read_text().splitlines() if "synced" in line))
        assert (event["project"], event["revision"]) == (workshop.name, first)
        status = workshop.run("agent", "status", "-c", "agent.yaml").stdout.splitlines()
        assert status[0].split() == ["PROJECT", "SYNC", "HEALTH", "REVISION", "WAITING", "REASON"]
        assert status[1].split() == [workshop.name, "synced", "healthy", first[:12], "-", "-"]
        assert workshop.run("agent", "suspend", "-c", "agent.yaml", workshop.name).stdout.endswith(": suspended\n")
        assert workshop.run("agent", "resume", "-c", "agent.yaml", workshop.name).stdout.endswith(": resumed\n")
        refused = workshop.run("agent", "approve", "-c", "agent.yaml", workshop.name, code=1).stderr
        assert "waits for an approval" in refused
        second = subprocess.run([RORQUAL, *words], cwd=workshop.folder, capture_output=True, text=True, timeout=60)
        assert second.returncode == 1 and "another agent runs with the state in" in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert log.read_text().endswith("agent: stopped\n")
    assert list(workshop.containers()) == [f"{workshop.name}-web-1"], "what runs is left running"
    gone = workshop.run("agent", "status", "-c", "agent.yaml", code=1).stderr
    assert "start one with `rorqual agent run`" in gone


@pytest.mark.root
def test_watch_source_follows_the_folder_and_the_host(workshop: Workshop) -> None:
    def write(seconds: int) -> None:
        workshop.write(WEB.format(image=workshop.engine.image, seconds=seconds))

    write(1000)
    words = ("-H", workshop.engine.host, "-p", workshop.name, "up", "--watch-source")
    with running(workshop.folder, *words) as (process, log):
        await_words(log, f"synced {workshop.name}")
        write(2000)
        await_words(log, f"synced {workshop.name}", 2)
        assert workshop.inspect(f"{workshop.name}-web-1")["Config"]["Cmd"] == ["sleep", "2000"]
        workshop.docker("rm", "-f", f"{workshop.name}-web-1")
        await_words(log, f"healed {workshop.name}")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert list(workshop.containers()) == [f"{workshop.name}-web-1"]


def test_watch_source_takes_no_part_of_a_project(tmp_path: Path) -> None:
    done = subprocess.run(
        [RORQUAL, "up", "--watch-source", "--scale", "web=2"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 64
    assert "--watch-source follows the whole project" in done.stderr
