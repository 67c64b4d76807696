"""The agent at rest and at work: 100 projects of 10 services from one repository, on the embedded engine.

Without networks: an engine's default address pools hold about thirty.
"""

from __future__ import annotations

import hmac
import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.bench.specs import OURS
from tests.bench.table import Table
from tests.engine.gitops.repository import Repository, make_repository
from tests.engines import RunningEngine, running_rorqual, short_folder

PROJECTS, SERVICES, ROUNDS = 100, 10, 5
PORT, SECRET = 8599, b"bench"
TICKS = os.sysconf("SC_CLK_TCK")
SERVICE = """\
  s{number}:
    image: {image}
    command: sleep {seconds}
    init: true
    stop_grace_period: 0s
    network_mode: none
    environment: {{NAME: s{number}}}
"""


@dataclass
class Bench:
    folder: Path
    engine: RunningEngine
    repository: Repository
    process: subprocess.Popen[bytes]

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
        connection = HTTPConnection("127.0.0.1", PORT, timeout=60)
        given = {"Authorization": "Bearer t", **{k.replace("_", "-"): v for k, v in headers.items()}}
        connection.request(method, path, body, given)
        content = connection.getresponse().read()
        connection.close()
        return json.loads(content)

    def answers(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.states()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.1)
            else:
                return

    def states(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "/v1/projects")
        return found

    def wait(self, revision: str, projects: int = PROJECTS) -> None:
        deadline = time.monotonic() + 900
        while sum(s["synced"] == revision and s["sync"] == "synced" for s in self.states()) < projects:
            assert time.monotonic() < deadline and self.process.poll() is None, (self.folder / "log").read_text()[
                -2000:
            ]
            time.sleep(0.1)

    def cpu(self) -> float:
        """Seconds of the agent and of the programs that it ran and has waited for."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, words[11:15])) / TICKS

    def resident(self) -> float:
        """MB at the most."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

    def looks(self) -> float:
        connection = HTTPConnection("127.0.0.1", PORT, timeout=60)
        connection.request("GET", "/metrics", headers={"Authorization": "Bearer t"})
        text = connection.getresponse().read().decode()
        connection.close()
        return float(next(line for line in text.splitlines() if line.startswith("rorqual_looks_total")).split()[1])

    def starts(self) -> dict[str, str]:
        """Id → name of every container of the engine."""
        words = ["docker", "-H", self.engine.host, "ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        return dict(line.split() for line in done.stdout.splitlines())


def project(engine: RunningEngine, seconds: int) -> str:
    body = "".join(SERVICE.format(number=n, image=engine.image, seconds=seconds) for n in range(SERVICES))
    return f"services:\n{body}"


@contextmanager
def following() -> Iterator[Bench]:
    with short_folder() as top:
        for name in ("engine", "state"):
            (top / name).mkdir()
        repository = make_repository(top / "r")
        (top / "secret").write_bytes(SECRET)
        (top / "token").write_text("t")
        for name in ("secret", "token"):
            (top / name).chmod(0o600)
        with running_rorqual(top / "engine") as engine:
            revision = repository.commit({f"p{n}/compose.yaml": project(engine, 10_000) for n in range(PROJECTS)})
            (top / "agent.yaml").write_text(
                f"state: {top}/state\nengine: {{host: '{engine.host}'}}\nparallel: 4\n"
                "defaults: {interval: 1h, health_timeout: 10m}\n"
                f"api: {{listen: '127.0.0.1:{PORT}', tokens: [{{role: admin, file: {top}/token}}]}}\n"
                f"sources:\n  s:\n    git: {repository.bare}\n    interval: 1h\n"
                f"    webhook: {{kind: generic, secret_file: {top}/secret}}\n"
                "    discover: {pattern: '*/compose.yaml'}\n"
            )
            with (top / "log").open("wb") as log:
                command = [OURS, "agent", "run", "-c", str(top / "agent.yaml")]
                process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                bench = Bench(top, engine, repository, process)
                bench.answers()
                bench.wait(revision)
                yield bench
            finally:
                process.terminate()
                process.wait(60)


def cycle(bench: Bench) -> float:
    """CPU of one look at every project, with nothing to do."""
    looks, before = bench.looks(), bench.cpu()
    for number in range(PROJECTS):
        bench.ask("POST", f"/v1/projects/p{number}/sync")
    while bench.looks() < looks + PROJECTS:
        time.sleep(0.2)
    return bench.cpu() - before


def one_change(bench: Bench, seconds: int) -> tuple[float, int]:
    """Seconds from a webhook to converged of a change in one project, and how many containers were made."""
    before = bench.starts()
    revision = bench.repository.commit({"p42/compose.yaml": project(bench.engine, seconds)})
    body = json.dumps({"after": revision}).encode()
    stamp = str(int(time.time()))
    mark = hmac.new(SECRET, stamp.encode() + b"." + body, sha256).hexdigest()
    begin = time.monotonic()
    bench.ask("POST", "/hooks/s", body, X_Rorqual_Timestamp=stamp, X_Rorqual_Signature=mark)
    while not any(s["project"] == "p42" and s["synced"] == revision for s in bench.states()):
        time.sleep(0.02)
    took = time.monotonic() - begin
    bench.wait(revision)
    return took, len(bench.starts().keys() - before.keys())


def start_seconds(bench: Bench, seconds: int) -> float:
    """What `up` of the same change takes by hand, and so what the containers' own start takes."""
    folder = bench.folder / "byhand"
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "DOCKER_HOST": bench.engine.host}
    (folder / "compose.yaml").write_text(project(bench.engine, seconds))
    begin = time.monotonic()
    subprocess.run([OURS, "-p", "byhand", "up", "-d"], cwd=folder, env=environment, check=True, capture_output=True)
    return time.monotonic() - begin


def agent_bench() -> Table:
    table = Table("The agent: 100 projects × 10 services, one repository, embedded engine", ("what", "measured"))
    with following() as bench:
        cpu = statistics.median(cycle(bench) for _ in range(ROUNDS))
        changes = [one_change(bench, 20_000 + n) for n in range(ROUNDS)]
        start_seconds(bench, 1)
        starts = statistics.median(start_seconds(bench, 30_000 + n) for n in range(ROUNDS))
        took, touched = statistics.median(t for t, _ in changes), max(count for _, count in changes)
        memory = bench.resident()
        table.rows += [
            ("a cycle with no change, CPU of the agent", f"{cpu:.2f} s"),
            ("containers made by a change in one project of 10 services", str(touched)),
            ("from webhook to converged and healthy", f"{took:.2f} s"),
            ("the same change by `rorqual up -d`, by hand", f"{starts:.2f} s"),
            ("memory of the agent, at most", f"{memory:.0f} MB"),
        ]
        table.bars[f"a cycle with no change takes at most 2 s of CPU ({cpu:.2f} s)"] = cpu <= 2.0
        table.bars[f"a change in one project makes its containers only ({touched})"] = touched == SERVICES
        over = took - starts
        table.bars[f"webhook to converged at most 2 s over the containers' own start ({over:.2f} s)"] = over <= 2.0
        table.bars[f"the agent stays below 150 MB ({memory:.0f} MB)"] = memory <= 150
    return table


BENCHES = (agent_bench,)
