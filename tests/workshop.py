"""A folder with a compose file, and the real command line run in it against a real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.engines import RunningEngine

RORQUAL = os.environ.get("RORQUAL_UNDER_TEST") or str(Path(sys.executable).with_name("rorqual"))


def compose_binary() -> str:
    """Docker Compose itself; the console script of its package exits with 0 whatever happens."""
    import compose  # type: ignore[import-untyped]

    return str(Path(next(iter(compose.__path__)), "docker-compose"))


@dataclass
class Workshop:
    """`name` is the project; leaving the block removes what the project has on the engine."""

    folder: Path
    engine: RunningEngine
    name: str
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, text: str, file: str = "compose.yaml") -> None:
        (self.folder / file).write_text(text)

    def run(self, *words: str, code: int = 0, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """One `rorqual` command line; the exit code must be `code`."""
        done = self.call([RORQUAL, *words], timeout)
        assert done.returncode == code, f"{words} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def compose(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = self.call([compose_binary(), *words], 180)
        assert done.returncode == 0, f"compose {words}\n{done.stdout}\n{done.stderr}"
        return done

    def docker(self, *words: str) -> str:
        done = self.call(["docker", *words], 60)
        assert done.returncode == 0, f"docker {words}\n{done.stderr}"
        return done.stdout

    def call(self, command: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "DOCKER_HOST": self.engine.host,
            "COMPOSE_PROJECT_NAME": self.name,
            **self.environment,
        }
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=timeout
        )

    def plan(self, *words: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run("plan", "--format", "json", *words).stdout)
        return document

    def containers(self) -> dict[str, str]:
        """Name → id of every container of the project."""
        lines = self.docker(
            "ps",
            "-a",
            "--no-trunc",
            "--filter",
            f"label=com.docker.compose.project={self.name}",
            "--format",
            "{{.Names}} {{.ID}}",
        )
        return dict(line.split() for line in lines.splitlines())

    def inspect(self, name: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", name))
        return found[0]

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        label = f"label=com.docker.compose.project={self.name}"
        ids = self.docker("ps", "-aq", "--filter", label).split()
        if ids:
            self.docker("rm", "-fv", *ids)
        for noun in ("network", "volume"):
            names = self.docker(noun, "ls", "-q", "--filter", label).split()
            if names:
                self.docker(noun, "rm", *names)
