"""A bare repository of our own that follows one remote: shallow, at times partial, thrown away when it is broken.

Invariant: it holds nothing that can't be fetched again, so every doubt ends in a new one. One process owns it.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from engine.gitops.settings.models import GitOrigin
from engine.gitops.sources.faults import SourceFault
from engine.gitops.sources.git import Git, last_words

TIP = "refs/rorqual/tip"
LOCKED = re.compile(r"\.lock'?: File exists|Unable to create '[^']*\.lock'|could not lock")
BROKEN = re.compile(
    r"not a git repository|corrupt|bad object|is empty|missing (blob|tree|commit)|unable to read|invalid sha1|"
    r"did not send all necessary|broken|not a valid object|bad (ref|tree|config)|could not parse|unable to parse"
)
# A mirror gets a pack with every fetch; after this many it is packed anew.
FETCHES_BEFORE_PACKING = 50


@dataclass(slots=True)
class Mirror:
    """`only` asks for blobs as they are needed: the checkout takes a part of the tree."""

    git: Git
    place: Path
    origin: GitOrigin
    fetches: int = 0

    async def open(self) -> None:
        """Make it, or mend what a killed git left; one of another address is thrown away."""
        if not self.place.exists():
            await self.create()
            return
        self.unlock()
        known = await self.git.attempt("config", "remote.origin.url", at=self.place)
        if known.stdout.decode().strip() != self.url:
            await self.renew()

    async def create(self) -> None:
        self.place.parent.mkdir(parents=True, exist_ok=True)
        await self.git("init", "--quiet", "--bare", str(self.place))
        await self.git("config", "remote.origin.url", self.url, at=self.place)

    async def renew(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        await self.create()

    def unlock(self) -> None:
        """Lock files are of a git that was killed: nobody else works here."""
        for lock in self.place.rglob("*.lock"):
            lock.unlink(missing_ok=True)

    @property
    def url(self) -> str:
        # a path would be cloned by links, and never shallow
        return f"file://{self.origin.url}" if self.origin.url.startswith("/") else self.origin.url

    async def fetch(self) -> str:
        """The commit that the source points to now, fetched. Raises SourceFault."""
        reference, commit = await self.pointed()
        if commit is not None and await self.holds(commit):
            return commit
        await self.mended("fetch", *self.fetch_words(), "origin", f"+{reference}:{TIP}")
        found = (await self.git("rev-parse", f"{TIP}^{{commit}}", at=self.place)).decode().strip()
        await self.pack()
        return found

    def fetch_words(self) -> tuple[str, ...]:
        partial = ("--filter=blob:none",) if self.origin.only else ()
        return ("--quiet", "--depth=1", "--force", "--no-tags", "--no-write-fetch-head", *partial)

    async def pointed(self) -> tuple[str, str | None]:
        """What to fetch, and its commit where the remote tells (of an annotated tag it tells another id)."""
        origin = self.origin
        if origin.commit is not None:
            return origin.commit, origin.commit
        if origin.tag is not None:
            return await self.highest_tag(origin.tag), None
        reference = f"refs/heads/{origin.branch}" if origin.branch else "HEAD"
        lines = (await self.mended("ls-remote", "--quiet", "origin", reference)).decode().splitlines()
        found = [line.split("\t")[0] for line in lines if line.endswith(f"\t{reference}")]
        if not found:
            what = f'branch "{origin.branch}"' if origin.branch else "a default branch"
            raise SourceFault(f"{self.origin.url} has no {what}")
        return reference, found[0]

    async def highest_tag(self, pattern: str) -> str:
        words = (
            "ls-remote",
            "--quiet",
            "--tags",
            "--refs",
            "--sort=-version:refname",
            "origin",
            f"refs/tags/{pattern}",
        )
        lines = (await self.mended(*words)).decode().splitlines()
        if not lines:
            raise SourceFault(f'{self.origin.url} has no tag "{pattern}"')
        return lines[0].split("\t")[1]

    async def fetch_commit(self, commit: str) -> None:
        """One commit by its id: where the remote doesn't give out single commits, everything is fetched."""
        if await self.holds(commit):
            return
        try:
            await self.mended("fetch", *self.fetch_words(), "origin", f"+{commit}:{TIP}")
        except SourceFault:
            await self.mended("fetch", "--quiet", "--force", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
            if not await self.holds(commit):
                raise SourceFault(f"{self.origin.url} has no commit {commit}") from None

    async def holds(self, commit: str) -> bool:
        return not (await self.git.attempt("cat-file", "-e", f"{commit}^{{tree}}", at=self.place)).code

    async def mended(self, *words: str) -> bytes:
        """A command; where a stale lock or a broken repository is in its way, once more without."""
        done = await self.git.attempt(*words, at=self.place)
        if done.code:
            text = done.stderr.decode(errors="replace")
            if LOCKED.search(text):
                self.unlock()
            elif BROKEN.search(text) and "remote:" not in text:
                await self.renew()
            else:
                raise SourceFault(last_words(words, done))
            done = await self.git.attempt(*words, at=self.place)
        if done.code:
            raise SourceFault(last_words(words, done))
        return done.stdout

    async def pack(self) -> None:
        self.fetches += 1
        if self.fetches >= FETCHES_BEFORE_PACKING:
            self.fetches = 0
            await self.git.attempt("gc", "--quiet", "--prune=now", at=self.place)
