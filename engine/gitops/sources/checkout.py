"""One commit as files, whole or not there, never changed: what projects are loaded from and built from.

Made beside its place and renamed, submodules and all. A small file beside it keeps which repository holds which part.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from engine.gitops.settings.models import GitOrigin
from engine.gitops.sources.faults import SourceFault
from engine.gitops.sources.git import Git, last_words
from engine.gitops.sources.mirror import Mirror
from engine.kit.files import atomic_write

DEEPEST = 8
POINTER = b"version https://git-lfs.github.com/spec/v1\n"


class Part(NamedTuple):
    """`path` is a submodule's, empty for the repository itself; `repository` is the bare one that has `commit`."""

    path: str
    repository: str
    commit: str


@dataclass(slots=True)
class Checkout:
    """`known` are the identities that were asked for: they outlive the repository, whose history may be rewritten."""

    folder: Path
    commit: str
    parts: tuple[Part, ...]
    known: dict[str, str | None] = field(default_factory=dict)

    async def identities(self, git: Git, paths: Iterable[str]) -> dict[str, str | None]:
        """Path (relative to the root, `.` for it) → the id of its tree or blob; None for what git doesn't track."""
        wanted = sorted(set(paths))
        if new := [path for path in wanted if path not in self.known]:
            self.known |= await self.look_up(git, new)
            self.write()
        return {path: self.known[path] for path in wanted}

    def write(self) -> None:
        body = {"parts": self.parts, "known": self.known}
        atomic_write(self.folder.with_name(f"{self.commit}.json"), json.dumps(body).encode())

    async def look_up(self, git: Git, paths: Iterable[str]) -> dict[str, str | None]:
        asked: dict[Part, list[str]] = {}
        for path in paths:
            asked.setdefault(self.part_of(path), []).append(path)
        found: dict[str, str | None] = {}
        for part, wanted in asked.items():
            lines = [f"{part.commit}:{inside(part, path)}\n" for path in wanted]
            words = ("cat-file", "--batch-check=%(objectname)")
            answer = await git(*words, at=Path(part.repository), stdin="".join(lines).encode())
            for path, line in zip(wanted, answer.decode().splitlines(), strict=True):
                found[path] = None if " " in line else line
        return found

    def part_of(self, path: str) -> Part:
        holding = [p for p in self.parts if not p.path or path == p.path or path.startswith(f"{p.path}/")]
        return max(holding, key=lambda part: len(part.path))


def inside(part: Part, path: str) -> str:
    rest = path[len(part.path) :].lstrip("/") if part.path else path
    return "" if rest == "." else rest


@dataclass(slots=True)
class Checkouts:
    """The checkouts of one source below `folder`; the mirrors of submodules lie in `modules`."""

    git: Git
    folder: Path
    modules: Path

    def sweep(self) -> None:
        """Take away what was being made when the last run ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".*"):
            remove(left)

    def find(self, commit: str) -> Checkout | None:
        """A checkout that is there already."""
        folder = self.folder / commit
        try:
            body = json.loads((self.folder / f"{commit}.json").read_bytes())
            parts = tuple(Part(*part) for part in body["parts"])
        except (OSError, ValueError):
            return None
        return Checkout(folder, commit, parts, body["known"]) if folder.is_dir() else None

    async def make(self, mirror: Mirror, commit: str) -> Checkout:
        """Raises SourceFault. A mirror that turns out broken is fetched anew, once."""
        if (known := self.find(commit)) is not None:
            return known
        try:
            return await self.build(mirror, commit)
        except SourceFault:
            if await mirror.holds(commit) and not (await self.git.attempt("fsck", at=mirror.place)).code:
                raise
            await mirror.renew()
            await mirror.fetch_commit(commit)
            return await self.build(mirror, commit)

    async def build(self, mirror: Mirror, commit: str) -> Checkout:
        new = self.folder / f".new-{commit}"
        remove(new)
        new.mkdir(parents=True)
        try:
            parts = await self.fill(new, "", mirror, commit, 0)
            made = Checkout(self.folder / commit, commit, tuple(parts))
            remove(made.folder)
            made.write()
            os.rename(new, made.folder)
        except BaseException:
            remove(new)
            raise
        return made

    async def fill(self, new: Path, path: str, mirror: Mirror, commit: str, depth: int) -> list[Part]:
        """Put the tree of a commit at `path`, then its submodules within it."""
        if depth > DEEPEST:
            raise SourceFault(f"submodules are nested deeper than {DEEPEST}")
        target = new / path
        target.mkdir(parents=True, exist_ok=True)
        await self.read_tree(target, mirror, commit)
        parts = [Part(path, str(mirror.place), commit)]
        if mirror.origin.submodules and (target / ".gitmodules").is_file():
            urls = await self.module_urls(target / ".gitmodules")
            for name, pinned in await self.pinned(mirror, commit):
                if (target / name).is_dir() and name in urls:
                    try:
                        module = await self.module(mirror.origin, urls[name])
                        await module.fetch_commit(pinned)
                    except SourceFault as error:
                        raise SourceFault(f"submodule {name} ({urls[name]}): {error.message}") from error
                    parts += await self.fill(new, f"{path}/{name}".lstrip("/"), module, pinned, depth + 1)
        return parts

    async def read_tree(self, target: Path, mirror: Mirror, commit: str) -> None:
        index = self.folder / f".new-index-{commit}"
        index.unlink(missing_ok=True)
        words = ["read-tree", "--reset", "-u", commit]
        if mirror.origin.only:
            patterns = "".join(f"/{each.strip('/')}/\n/{each.strip('/')}\n" for each in mirror.origin.only)
            (mirror.place / "info").mkdir(exist_ok=True)
            (mirror.place / "info" / "sparse-checkout").write_text(patterns)
            words = ["-c", "core.sparseCheckout=true", "-c", "core.sparseCheckoutCone=false", *words]
        environment = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(target)}
        try:
            done = await self.git.attempt(*words, at=mirror.place, environment=environment)
        finally:
            index.unlink(missing_ok=True)
            (index.parent / f"{index.name}.lock").unlink(missing_ok=True)
        if done.code:
            raise SourceFault(last_words(("checkout",), done))

    async def module_urls(self, file: Path) -> dict[str, str]:
        """Path → address, as .gitmodules has them."""
        words = ("config", "--file", str(file), "-z", "--get-regexp", r"^submodule\..*\.(path|url)$")
        entries = [e.partition("\n") for e in (await self.git(*words)).decode().split("\0") if e]
        values: dict[str, dict[str, str]] = {}
        for key, _, value in entries:
            name, _, kind = key.rpartition(".")
            values.setdefault(name, {})[kind] = value
        return {each["path"]: each["url"] for each in values.values() if {"path", "url"} <= each.keys()}

    async def pinned(self, mirror: Mirror, commit: str) -> list[tuple[str, str]]:
        """The submodules of a commit: path and the commit that they stand at."""
        lines = (await self.git("ls-tree", "-r", "-z", "--full-tree", commit, at=mirror.place)).decode().split("\0")
        found = [line.partition("\t") for line in lines if line.startswith("160000 ")]
        return [(path, head.split()[2]) for head, _, path in found]

    async def module(self, parent: GitOrigin, url: str) -> Mirror:
        address = absolute(parent.url, url)
        if urlsplit(address).scheme in {"", "file"} and urlsplit(parent.url).scheme not in {"", "file"}:
            raise SourceFault(f"a submodule of {parent.url} points to a path of this machine: {url}")
        place = self.modules / f"{sha256(address.encode()).hexdigest()[:24]}.git"
        origin = replace(parent, url=address, branch=None, tag=None, only=(), signatures=None)
        mirror = Mirror(self.git, place, origin)
        await mirror.open()
        return mirror

    def keep(self, commits: set[str]) -> list[Path]:
        """Put the checkouts of all other commits out of sight; returns what is to be removed."""
        doomed = []
        for file in self.folder.glob("*.json"):
            if file.stem not in commits:
                file.unlink()
                if (self.folder / file.stem).exists():
                    doomed.append(put_aside(self.folder / file.stem))
        return doomed


def absolute(parent: str, url: str) -> str:
    """A submodule's address; one that starts with ./ or ../ is relative to its parent's (gitmodules(5))."""
    if not url.startswith(("./", "../")):
        return url
    if "://" in parent:
        return urljoin(f"{parent.rstrip('/')}/", url)
    head, colon, path = parent.rpartition(":")
    return f"{head}{colon}{os.path.normpath(os.path.join(path, url))}"


def put_aside(path: Path) -> Path:
    """Renamed to what the next start sweeps away: removing all that is in it may take long."""
    aside = path.with_name(f".gone-{path.name}-{secrets.token_hex(4)}")
    os.rename(path, aside)
    return aside


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_all(paths: Iterable[Path]) -> None:
    for path in paths:
        remove(path)


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file holds the place of its content only: Git LFS was not there when it was checked out."""
    try:
        with path.open("rb") as file:
            return file.read(len(POINTER)) == POINTER
    except OSError:
        return False
