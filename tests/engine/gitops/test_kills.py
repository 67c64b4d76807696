"""An agent killed at random in a stream of commits, some of which rewrite the history: the last one stands, nothing is
left over, releases are known.

`make test` kills it ten times by a fixed seed; RORQUAL_CHAOS=1 (`make chaos`) a hundred times.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.engine.gitops.repository import Repository, make_repository
from tests.engines import RunningEngine
from tests.workshop import RORQUAL, Workshop

pytestmark = [pytest.mark.root, pytest.mark.slow]
KILLS = 100 if os.environ.get("RORQUAL_CHAOS") else 10
SEED = 5
# Of all commits, so many begin a new history.
REWRITTEN = 0.2
PATIENCE_SECONDS = 60.0
SERVICE = """\
  s{number}:
    image: {image}
    command: sleep {seconds}
    init: true
    stop_grace_period: 0s
    volumes: ["./site:/site:ro", "data:/data"{anonymous}]
    networks: [{network}]
"""


@pytest.fixture
def workshop(rorqual_engine: RunningEngine) -> Iterator[Workshop]:
    folder = Path(tempfile.mkdtemp(prefix="rq-", dir="/tmp"))
    with Workshop(folder, rorqual_engine, "kills") as found:
        yield found
    shutil.rmtree(folder)


def rewrite(repository: Repository, dice: random.Random) -> None:
    """Now and then the branch begins anew: what was fetched and stands is of no history any more."""
    if dice.random() < REWRITTEN:
        repository.git("checkout", "-q", "--orphan", f"again-{dice.random()}")


def commit(repository: Repository, image: str, dice: random.Random) -> tuple[str, set[str]]:
    """One of the many shapes that the project may take; returns the commit and its services.

    Anonymous volumes of a service that leaves are data, and stay (as with Compose): only one that stays has some.
    """
    numbers = [1, *sorted(dice.sample(range(2, 5), dice.randint(0, 2)))]
    network = dice.choice(["front", "back"])
    services = "".join(
        SERVICE.format(
            number=n,
            image=image,
            seconds=dice.randint(1000, 1003),
            network=network,
            anonymous=', "/anonymous"' if n == 1 else "",
        )
        for n in numbers
    )
    text = f"services:\n{services}networks: {{{network}: }}\nvolumes: {{data: }}\n"
    id = repository.commit({"app/compose.yaml": text, "app/site/index": str(dice.randint(1, 3))})
    return id, {f"kills-s{n}-1" for n in numbers}


def start(workshop: Workshop) -> subprocess.Popen[bytes]:
    with (workshop.folder / "log").open("ab") as log:
        return subprocess.Popen(
            [RORQUAL, "agent", "run", "-c", "agent.yaml"], cwd=workshop.folder, stdout=log, stderr=log
        )


def test_an_agent_killed_at_random_ends_on_the_last_commit_with_nothing_left_over(workshop: Workshop) -> None:
    dice = random.Random(SEED)
    # the engine is that of other tests too
    before = volumes(workshop)
    repository = make_repository(workshop.folder / "r")
    workshop.write(
        f"state: {workshop.folder}/state\nengine: {{host: '{workshop.engine.host}'}}\n"
        "defaults: {heals_per_hour: 1000}\n"
        f"sources: {{s: {{git: {repository.bare}, interval: 100ms, projects: {{kills: {{path: app}}}}}}}}\n",
        "agent.yaml",
    )
    commits = []
    for _ in range(KILLS):
        rewrite(repository, dice)
        commits.append(commit(repository, workshop.engine.image, dice)[0])
        agent = start(workshop)
        await_start(workshop, len(commits))
        time.sleep(dice.uniform(0.0, 1.5))
        agent.kill()
        agent.wait()
    last, services = commit(repository, workshop.engine.image, dice)
    agent = start(workshop)
    try:
        await_synced(workshop, last)
    finally:
        agent.terminate()
        assert agent.wait(60) == 0
    assert set(workshop.containers()) == services
    assert volumes(workshop) - before == mounted(workshop, services), "no anonymous volume is left"
    assert_nothing_left_over(workshop, last)
    accounted = {revision for kind, revision in events(workshop) if kind == "synced"}
    assert last in accounted and accounted <= {*commits, last}


def await_start(workshop: Workshop, times: int) -> None:
    """Until as many agents have begun: to be killed while it imports teaches nothing."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (workshop.folder / "log").read_text().count("agent: 1 source") < times:
        assert time.monotonic() < deadline, (workshop.folder / "log").read_text()[-3000:]
        time.sleep(0.02)


def await_synced(workshop: Workshop, revision: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while ("synced", revision) not in events(workshop):
        assert time.monotonic() < deadline, (workshop.folder / "log").read_text()[-3000:]
        time.sleep(0.1)


def events(workshop: Workshop) -> list[tuple[str, str]]:
    try:
        with closing(sqlite3.connect(f"file:{workshop.folder}/state/state/agent.db?mode=ro", uri=True)) as db:
            return db.execute("SELECT kind, revision FROM events").fetchall()
    except sqlite3.OperationalError:
        return []


def volumes(workshop: Workshop) -> set[str]:
    return set(workshop.docker("volume", "ls", "-q").split())


def mounted(workshop: Workshop, services: set[str]) -> set[str]:
    return {m["Name"] for name in services for m in workshop.inspect(name)["Mounts"] if m["Type"] == "volume"}


def assert_nothing_left_over(workshop: Workshop, last: str) -> None:
    label = "label=com.docker.compose.project=kills"
    assert len(workshop.docker("network", "ls", "-q", "--filter", label).split()) == 1
    state = workshop.folder / "state"
    litter = [str(path) for place in ("checkouts/s", "objects") for path in (state / place).glob(".*")]
    assert litter == [] and not list(state.glob("mirrors/**/*.lock"))
    assert (state / "checkouts/s" / last / "app/compose.yaml").is_file()
    checkouts = [path for path in (state / "checkouts/s").iterdir() if path.is_dir()]
    assert len(checkouts) <= 4, "checkouts that nothing uses are gone"
    with closing(sqlite3.connect(state / "state/agent.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
