"""Where the agent keeps what, below its one folder of state."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from engine.gitops.sources.git import prepare_home
from engine.gitops.sources.objects import Objects

LONGEST_SOCKET = 104


@dataclass(frozen=True, slots=True)
class Places:
    """Mirrors, checkouts and objects can be fetched again; the database and the projects' data can't."""

    root: Path

    def prepare(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        prepare_home(self.git_home)
        self.objects.sweep()

    @property
    def database(self) -> Path:
        return self.root / "state"

    @property
    def socket(self) -> Path:
        """Where the agent itself listens, for its own commands. A socket's path ends at 108 bytes."""
        place = self.root / "agent.sock"
        if len(os.fsencode(place)) < LONGEST_SOCKET:
            return place
        return Path("/run/rorqual") / f"agent-{sha256(os.fsencode(self.root)).hexdigest()[:16]}.sock"

    @property
    def git_home(self) -> Path:
        return self.root / "git"

    @property
    def modules(self) -> Path:
        return self.root / "modules"

    @property
    def objects(self) -> Objects:
        return Objects(self.root / "objects")

    def mirror(self, source: str) -> Path:
        return self.root / "mirrors" / f"{source}.git"

    def checkouts(self, source: str) -> Path:
        return self.root / "checkouts" / source

    def data(self, project: str) -> Path:
        """What a project's containers write to relative paths: outlives every commit."""
        return self.root / "data" / project
