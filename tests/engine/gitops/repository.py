"""A bare repository and a clone to commit from, for tests of sources: everything local, nothing of the user's git."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

AUTHOR = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass
class Repository:
    """`bare` is what sources point to, `work` what is committed from."""

    bare: Path
    work: Path

    def git(self, *words: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *words],
            cwd=folder or self.work,
            env={**os.environ, **AUTHOR},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"git {words}: {done.stderr}"
        return done.stdout.strip()

    def commit(self, files: dict[str, str | None], message: str = "a change", *flags: str) -> str:
        """Write (None: remove), commit, push; returns the commit's id."""
        for name, content in files.items():
            path = self.work / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "--allow-empty", "-qm", message, *flags)
        self.git("push", "-qf", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")


def make_repository(folder: Path) -> Repository:
    found = Repository(folder / "origin.git", folder / "work")
    folder.mkdir(parents=True, exist_ok=True)
    found.git("init", "-q", "--bare", "-b", "main", str(found.bare), folder=folder)
    found.git("init", "-q", "-b", "main", str(found.work), folder=folder)
    found.git("remote", "add", "origin", str(found.bare))
    return found
