"""What a scenario works with: a project's folder and an engine; the tools are run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.engines import RunningEngine

ROOT = Path(__file__).parents[2]
# Variables that would change what the tools do, were they set where the tests run.
FOREIGN = ("COMPOSE_", "DOCKER_", "CONTAINER_", "RORQUAL_", "SHOP_", "HELLO_", "JOBS_", "ADOPT_")


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Workplace:
    """One project on one engine."""

    folder: Path
    engine: RunningEngine

    def run(self, *command: str) -> Result:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**kept, "DOCKER_HOST": self.engine.host},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def rorqual(self, *words: str) -> Result:
        return self.run(sys.executable, "-m", "engine.cli.main", *words)

    def docker(self, *words: str) -> Result:
        return self.run("docker", *words)

    def compose(self, *words: str) -> Result:
        """Docker Compose itself."""
        return self.run(compose_binary(), *words)

    def fetch(self, address: str, *flags: str) -> str:
        """The answer of a published port."""
        return self.engine.inside(
            ["curl", "--silent", "--show-error", "--fail", "--max-time", "10", *flags, address]
        ).stdout

    def states(self, project: str) -> dict[str, tuple[str, str]]:
        """Name → id and time of start of each container of the project."""
        ids = self.docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={project}").out.split()
        if not ids:
            return {}
        shown = self.docker("inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}}", *ids).out
        return {name.strip("/"): (id, started) for name, id, started in (line.split() for line in shown.splitlines())}

    def remains(self, project: str) -> str:
        """The containers, networks and volumes that still bear the project's label."""
        label = f"label=com.docker.compose.project={project}"
        kinds = (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
        return "".join(self.docker(*kind, "--filter", label).out for kind in kinds)


def compose_binary() -> str:
    """The binary in the package, not its console script, which ends with 0 whatever happens."""
    spec = find_spec("compose")
    assert spec is not None and spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0]) / "docker-compose")


def succeeded(result: Result) -> Result:
    assert result.code == 0, f"{result.out}\n{result.err}"
    return result
