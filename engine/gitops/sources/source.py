"""A source at work: looked at, it gives the tree of its newest revision; asked for an older one, it gives that too."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import anyio

from engine.gitops.places import Places
from engine.gitops.settings.models import GitOrigin, SourceSettings
from engine.gitops.sources.checkout import Checkouts
from engine.gitops.sources.faults import SourceFault
from engine.gitops.sources.git import Git
from engine.gitops.sources.mirror import Mirror
from engine.gitops.sources.signatures import verify
from engine.gitops.sources.tree import Tree


class Source(Protocol):
    """`open` once, then any of the others."""

    settings: SourceSettings

    async def open(self) -> None: ...

    async def look(self) -> Tree:
        """The newest revision. Raises SourceFault."""

    async def at(self, revision: str) -> Tree:
        """An older revision. Raises SourceFault where it can't be had any more."""

    def changes(self) -> AsyncIterator[None]:
        """Something for each time that a look is worth it; may never give anything."""

    def keep(self, revisions: set[str]) -> list[Path]:
        """Let go of all revisions but these and the newest; returns what is to be removed."""


@dataclass(slots=True)
class GitSource:
    settings: SourceSettings
    origin: GitOrigin
    mirror: Mirror
    checkouts: Checkouts
    home: Path
    newest: Tree | None = None
    # git's own locks would make one of two commands fail
    turn: anyio.Lock = field(default_factory=anyio.Lock)

    async def open(self) -> None:
        if self.origin.lfs and shutil.which("git-lfs") is None:
            # git itself only says that a filter failed
            raise SourceFault("git-lfs is not installed, and lfs: true needs it: install the system's git-lfs package")
        self.checkouts.sweep()
        await self.mirror.open()

    async def look(self) -> Tree:
        async with self.turn:
            return await self.fetched()

    async def fetched(self) -> Tree:
        commit = await self.mirror.fetch()
        if self.newest is not None and self.newest.revision == commit:
            return replace(self.newest, changed=frozenset())
        if self.origin.signatures is not None:
            await verify(self.mirror, self.origin.signatures, commit, self.home)
        checkout = await self.checkouts.make(self.mirror, commit)
        changed = await self.changed_since(commit)
        subject = await self.subject(commit)
        self.newest = Tree(self.settings, commit, checkout.folder, checkout, subject, changed)
        return self.newest

    async def changed_since(self, commit: str) -> frozenset[str] | None:
        if self.newest is None:
            return None
        words = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", self.newest.revision, commit)
        done = await self.mirror.git.attempt(*words, at=self.mirror.place)
        return None if done.code else frozenset(done.stdout.decode(errors="replace").rstrip("\0").split("\0"))

    async def subject(self, commit: str) -> str:
        done = await self.mirror.git.attempt("show", "-s", "--format=%s", commit, at=self.mirror.place)
        return done.stdout.decode(errors="replace").strip()

    async def at(self, revision: str) -> Tree:
        if self.newest is not None and self.newest.revision == revision:
            return self.newest
        async with self.turn:
            if (checkout := self.checkouts.find(revision)) is None:
                await self.mirror.fetch_commit(revision)
                if self.origin.signatures is not None:
                    await verify(self.mirror, self.origin.signatures, revision, self.home)
                checkout = await self.checkouts.make(self.mirror, revision)
        return Tree(self.settings, revision, checkout.folder, checkout)

    async def changes(self) -> AsyncIterator[None]:
        await anyio.sleep_forever()
        yield None

    def keep(self, revisions: set[str]) -> list[Path]:
        return self.checkouts.keep(revisions | ({self.newest.revision} if self.newest else set()))


@dataclass(slots=True)
class FolderSource:
    """A folder of this machine: its revision is a digest of what lies in it; only the newest one exists."""

    settings: SourceSettings
    folder: Path
    newest: Tree | None = None

    async def open(self) -> None:
        pass

    async def look(self) -> Tree:
        if not os.access(self.folder, os.R_OK | os.X_OK):
            raise SourceFault(f"can't read the folder {self.folder}")
        revision = await anyio.to_thread.run_sync(digest_of, self.folder)
        if self.newest is None or self.newest.revision != revision:
            self.newest = Tree(self.settings, revision, self.folder)
        return self.newest

    async def at(self, revision: str) -> Tree:
        if self.newest is None or self.newest.revision != revision:
            raise SourceFault(f"{self.folder} is a folder and keeps no older state: {revision[:12]} is gone")
        return self.newest

    async def changes(self) -> AsyncIterator[None]:
        # late: only a folder is watched
        import watchfiles

        stop = anyio.Event()
        try:
            async for _ in watchfiles.awatch(self.folder, stop_event=stop, debounce=400, step=50):
                yield None
        finally:
            stop.set()

    def keep(self, revisions: set[str]) -> list[Path]:
        return []


def digest_of(folder: Path) -> str:
    """Of the names, sizes and times of all files below, `.git` left out."""
    found = sha256()
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if each != ".git")
        for name in sorted(files):
            path = os.path.join(top, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            found.update(
                f"{os.path.relpath(path, folder)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "replace")
            )
    return found.hexdigest()[:40]


def make_source(settings: SourceSettings, places: Places) -> Source:
    if settings.git is None:
        assert settings.directory is not None  # the settings were checked
        return FolderSource(settings, settings.directory)
    origin = settings.git
    git = Git(places.git_home, origin.url, origin.credentials, settings.timeout_seconds, origin.lfs)
    return GitSource(
        settings,
        origin,
        Mirror(git, places.mirror(settings.name), origin),
        Checkouts(git, places.checkouts(settings.name), places.modules),
        places.git_home,
    )
