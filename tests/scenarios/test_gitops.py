"""`examples/gitops` as a user runs it: a commit is served; a bad one goes back; a hand's change, a forced push and a
killed agent are got over.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.engines import RunningEngine
from tests.scenarios.commands import ROOT, Workplace, succeeded

pytestmark = [pytest.mark.root, pytest.mark.slow]
PATIENCE_SECONDS = 120.0
PAGE = "http://127.0.0.1:8083/index.html"


@dataclass
class Follower:
    """The example in `folder`, and its agent as a process of its own."""

    folder: Path
    place: Workplace
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "log"

    def start(self) -> None:
        command = [sys.executable, "-m", "engine.cli.main", "agent", "run", "-c", str(self.folder / "agent.yaml")]
        environment = {**os.environ, "DOCKER_HOST": self.place.engine.host, "PYTHONPATH": str(ROOT)}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)

    def kill(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(30)

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.folder / "clone", capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, text: str, file: str = "site/index.html", *flags: str) -> str:
        (self.folder / "clone/hello" / file).write_text(text)
        self.git("commit", "-qam", f"{file}: {text[:20]}", *flags)
        self.git("push", "-qf", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def status(self) -> dict[str, Any]:
        result = self.place.rorqual("agent", "status", "-c", str(self.folder / "agent.yaml"), "--format", "json")
        projects = json.loads(result.out)["projects"] if result.code == 0 else []
        return dict(projects[0]) if projects else {}

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (state := self.status()) or not condition(state):
            assert time.monotonic() < deadline, f"{state}\n{self.log.read_text()}"
            time.sleep(0.2)
        return state

    def serves(self, revision: str) -> None:
        self.until(lambda s: s["synced"] == revision and (s["sync"], s["health"]) == ("synced", "healthy"))


@pytest.fixture
def follower(rorqual_engine: RunningEngine) -> Iterator[Follower]:
    folder = Path(tempfile.mkdtemp(prefix="rq-", dir="/tmp"))
    place = Workplace(folder, rorqual_engine)
    succeeded(place.run(str(ROOT / "examples/gitops/start.sh"), str(folder)))
    found = Follower(folder, place)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill(signal.SIGKILL)
    succeeded(place.rorqual("-p", "hello", "down", "-v", "-t", "0"))
    shutil.rmtree(folder)


def test_gitops(follower: Follower) -> None:
    place = follower.place
    follower.start()
    follower.serves(follower.git("rev-parse", "HEAD"))
    assert place.fetch(PAGE) == "Hello from a commit\n"

    good = follower.commit("a second commit")
    follower.serves(good)
    assert place.fetch(PAGE) == "a second commit"

    compose = (follower.folder / "clone/hello/compose.yaml").read_text()
    bad = follower.commit(compose.replace("/index.html", "/nowhere.html"), "compose.yaml")
    state = follower.until(lambda s: bad in s["held"] and s["health"] == "healthy")
    assert (state["synced"], state["sync"], state["waiting"]) == (good, "out-of-sync", "newer-revision")
    assert "is unhealthy" in state["held"][bad]
    assert place.fetch(PAGE) == "a second commit"
    assert "rolled-back hello: back on" in follower.log.read_text()

    succeeded(place.docker("rm", "-f", "hello-web-1"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "healed hello" not in follower.log.read_text():
        assert time.monotonic() < deadline, follower.log.read_text()
        time.sleep(0.1)
    assert place.fetch(PAGE, "--retry", "10", "--retry-connrefused", "--retry-delay", "1") == "a second commit"

    follower.git("reset", "-q", "--hard", f"{good}~1")
    rewritten = follower.commit("history rewritten")
    follower.serves(rewritten)
    assert place.fetch(PAGE) == "history rewritten"

    follower.kill(signal.SIGKILL)
    after = follower.commit("while it was dead")
    before = place.states("hello")
    follower.start()
    follower.serves(after)
    assert place.fetch(PAGE) == "while it was dead"
    assert len(place.states("hello")) == 1 and place.states("hello") != before
    assert follower.kill(signal.SIGTERM) == 0
