"""From which commit a project's files come, where git knows them."""

from __future__ import annotations

import os
from pathlib import Path

from engine.kit.process import ProcessTimeout, run_process
from engine.ledger.release import Commit

# A repository can name programs to be run by git: a look at who we are starts none of them.
QUIET = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks")
SECONDS = 5.0


async def commit_of(folder: str) -> Commit | None:
    """None for a folder that isn't in a repository, and where there is no git."""
    head = in_repository(folder) and await git(folder, "log", "-1", "--no-show-signature", "--format=%H %s")
    if not head:
        return None
    id, _, subject = head.partition(" ")
    # only what is below the folder: the rest of a large repository is not this project's
    dirty = await git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return Commit(id, bool(dirty), subject[:200])


def in_repository(folder: str) -> bool:
    """Whether it may be in one: starting git to hear that it isn't takes as long as ten calls of an engine."""
    if not folder or "GIT_DIR" in os.environ:
        return bool(folder)
    path = Path(os.path.realpath(folder))
    return any((each / ".git").exists() or (each / "HEAD").exists() for each in (path, *path.parents))


async def git(folder: str, *words: str) -> str:
    try:
        done = await run_process(["git", *QUIET, "-C", folder, *words], timeout_seconds=SECONDS)
    except (OSError, ProcessTimeout):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.code == 0 else ""
