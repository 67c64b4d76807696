"""Compose files of git repositories and registries: each commit fetched once through the system's git, each artifact
pulled once (artifacts), into Docker Compose's folder.

A checkout appears whole or not at all: it is made beside its place and renamed.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.kit.files import arriving
from specs.discover import FALSE, NAMES, TRUE
from specs.remote import OCI, Fetched, GitPlace, Unfetchable, git_place

COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
SWITCH = "COMPOSE_EXPERIMENTAL_GIT_REMOTE"
OCI_SWITCH = "COMPOSE_EXPERIMENTAL_OCI_REMOTE"


@dataclass
class Remotes:
    """The loader that a Request takes as `fetch`; what was fetched in this run is not asked for again."""

    environment: Mapping[str, str]
    known: dict[str, Fetched] = field(default_factory=dict)

    def fetch(self, name: str) -> Fetched:
        """Raises Unfetchable."""
        if name not in self.known:
            self.known[name] = self.find(name)
        return self.known[name]

    def find(self, name: str) -> Fetched:
        if name.startswith(OCI):
            return self.artifact(name)
        place = git_place(name)
        if place is None:
            raise Unfetchable(f"{name} is no git repository")
        if self.environment.get(SWITCH) in FALSE:
            raise Unfetchable(f"{name} is in git, and {SWITCH} turns that off")
        commit = self.commit_of(place, name)
        root = cache_folder(self.environment) / commit
        if not root.is_dir():
            self.check_out(place, commit, root)
        return Fetched(compose_file(root, place, name), str(root))

    def artifact(self, name: str) -> Fetched:
        """From a registry; compose.yaml is the file of every artifact."""
        switch = self.environment.get(OCI_SWITCH)
        if switch in FALSE:
            raise Unfetchable(f"{name} is in a registry, and {OCI_SWITCH} turns that off")
        if switch and switch not in TRUE:
            raise Unfetchable(f"{OCI_SWITCH}={switch!r} is neither true nor false")
        # late: the registry's client, which files of git don't need
        from engine.cli.artifacts import MAIN, pulled

        root = pulled(name, cache_folder(self.environment))
        return Fetched(str(root / MAIN), str(root))

    def commit_of(self, place: GitPlace, name: str) -> str:
        if COMMIT.fullmatch(place.ref):
            return place.ref
        done = self.git("ls-remote", "--exit-code", "--", place.repository, place.ref or "HEAD")
        if done.returncode == 2:
            raise Unfetchable(f'{place.repository} has no branch or tag "{place.ref or "HEAD"}"', f"named by {name}")
        if done.returncode:
            raise Unfetchable(f"can't reach the repository {place.repository}: {last_words(done)}")
        commit = done.stdout.partition("\t")[0].strip()
        if not COMMIT.fullmatch(commit):
            raise Unfetchable(f"the repository {place.repository} names no commit for {place.ref or 'HEAD'}")
        return commit

    def check_out(self, place: GitPlace, commit: str, root: Path) -> None:
        with arriving(root) as aside:
            for words in (
                ("init", "--quiet", str(aside)),
                ("-C", str(aside), "remote", "add", "origin", "--", place.repository),
                ("-C", str(aside), "fetch", "--quiet", "--depth=1", "origin", commit),
                ("-C", str(aside), "checkout", "--quiet", "--detach", commit),
            ):
                done = self.git(*words)
                if done.returncode:
                    raise Unfetchable(f"can't fetch {commit[:12]} of {place.repository}: {last_words(done)}")

    def git(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Never asks: neither on the terminal nor for an ssh passphrase."""
        environment = {"GIT_TERMINAL_PROMPT": "0", **self.environment}
        if not environment.get("GIT_SSH") and not environment.get("GIT_SSH_COMMAND"):
            environment["GIT_SSH_COMMAND"] = "ssh -o ControlMaster=no -o BatchMode=yes"
        try:
            return subprocess.run(
                ["git", *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except FileNotFoundError:
            raise Unfetchable("git is needed to read files of repositories, and is not installed") from None


def cache_folder(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_CACHE_HOME") or os.path.join(environment.get("HOME") or "/", ".cache")
    return Path(home, "docker-compose")


def compose_file(root: Path, place: GitPlace, name: str) -> str:
    """The file that the place names, or the one of a default name in the folder that it names."""
    found = root / place.path
    if os.path.commonpath([os.path.realpath(found), os.path.realpath(root)]) != os.path.realpath(root):
        raise Unfetchable(f"{name} leads out of the repository")
    if found.is_dir():
        there = next((found / each for each in NAMES if (found / each).is_file()), None)
        if there is None:
            raise Unfetchable(f"{name} has no Compose file", f"none of {', '.join(NAMES)} is in that folder")
        return str(there)
    if not found.exists():
        raise Unfetchable(f'there is no "{place.path}" in {place.repository} at {place.ref or "HEAD"}')
    return os.path.normpath(found)


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.removeprefix("fatal: ") for line in done.stderr.splitlines() if line.strip()]
    return lines[0] if lines else f"git exited with {done.returncode}"
