"""A project's folder, and the real command line run in the network of an engine: where that engine's registry is."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.engines import RunningEngine


@dataclass
class Desk:
    """Its state is its own."""

    folder: Path
    engine: RunningEngine

    def call(self, *words: str, code: int = 0) -> str:
        command = ["nsenter", f"--net=/proc/{self.engine.pid}/ns/net", sys.executable, "-m", "engine.cli.main"]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE_", "DOCKER_", "RORQUAL_"))}
        done = subprocess.run(
            [*command, *words],
            cwd=self.folder,
            env={**kept, "DOCKER_HOST": self.engine.host, "RORQUAL_STATE": str(self.folder / ".state")},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr
