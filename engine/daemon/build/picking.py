"""What COPY and ADD take: sources named in a folder, found by Docker's patterns, walked, and told by a digest.

Names are looked up within the folder alone, whatever links lie there. Blocks; called in threads.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from engine.dockerfile.ignore import Ignore
from engine.kit.rooted import RootedFolder
from engine.kit.syscalls import openat2

GLOB = re.compile(r"[*?\[\\]")
PIECE = 1 << 20


class NotThere(Exception):
    """No file of that name, or none that fits a pattern; the words are the user's."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file, folder or link below a picked source: `path` relative to it (empty: itself), `place` to open it by."""

    path: str
    place: str
    status: os.stat_result


@dataclass(slots=True)
class Picked:
    """One source, held open. `name` is its last part as it was named, `below` the path that --parents keeps."""

    name: str
    below: str
    handle: int
    status: os.stat_result
    ignore: Ignore = field(default_factory=Ignore)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def place(self) -> str:
        return f"/proc/self/fd/{self.handle}"

    def items(self) -> Iterator[Item]:
        """Itself first, then what is below it, in the order of names."""
        yield Item("", self.place, self.status)
        if self.is_folder:
            yield from self._below(self.place, "")

    def _below(self, folder: str, prefix: str) -> Iterator[Item]:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = prefix + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            excluded = self.ignore.excludes(path)
            if excluded and not (is_folder and self.ignore.may_take_back_below(path)):
                continue
            status = entry.stat(follow_symlinks=False)
            if not excluded and not stat.S_ISSOCK(status.st_mode):
                yield Item(path, entry.path, status)
            if is_folder:
                yield from self._below(entry.path, f"{path}/")


class Picking:
    """The sources of one instruction, open until the block ends.

    `deep`: a part `**` of a pattern stands for any number of folders, as with --parents; else it is a `*`.
    """

    def __init__(self, folder: str | os.PathLike[str], ignore: Ignore | None = None, *, deep: bool = False) -> None:
        self._rooted = RootedFolder(folder)
        self._deep = deep
        self._ignore = ignore or Ignore()
        self.found: list[Picked] = []
        # Whether any name or pattern fitted something, excluded or not.
        self.fitted = False

    def __enter__(self) -> Picking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for picked in self.found:
            os.close(picked.handle)
        self._rooted.__exit__(kind, error, trace)

    def pick(self, word: str) -> None:
        """Add what a source of the instruction names; a pattern may fit nothing. Raises NotThere."""
        path, pivot = clean(word)
        matched = dict.fromkeys(self._matches(path.split("/"))) if GLOB.search(path) else [path]
        for name in matched:
            self._add(name, None if pivot is None else "/".join(name.split("/")[pivot:]))

    def _add(self, path: str, below: str | None) -> None:
        try:
            handle = openat2(self._rooted.handle, path or ".", os.O_PATH)
        except OSError:
            shown = f"stat {path}: file does not exist"
            raise NotThere(f"file not found in build context or excluded by .dockerignore: {shown}") from None
        self.fitted = True
        name = posixpath.basename(path)
        if self._ignore.excludes(name) and not stat.S_ISDIR(os.fstat(handle).st_mode):
            os.close(handle)
            return
        kept = posixpath.dirname((below if below is not None else path).lstrip("/"))
        self.found.append(Picked(name, kept, handle, os.fstat(handle), self._ignore))

    def _matches(self, parts: Sequence[str], prefix: str = "") -> Iterator[str]:
        if not parts:
            if self._is_there(prefix.rstrip("/")):
                yield prefix.rstrip("/")
            return
        first, rest = parts[0], parts[1:]
        if first == "**" and self._deep and rest:
            yield from self._matches(rest, prefix)
            for name in self._names(prefix, folders=True):
                yield from self._matches(parts, f"{prefix}{name}/")
            return
        if not GLOB.search(first):
            yield from self._matches(rest, f"{prefix}{first}/")
            return
        fits = re.compile(regex_of(first), re.DOTALL).fullmatch
        for name in self._names(prefix):
            if fits(name):
                yield from self._matches(rest, f"{prefix}{name}/")

    def _names(self, path: str, *, folders: bool = False) -> list[str]:
        """What is in a folder, or the folders in it; links to folders are none."""
        try:
            handle = openat2(self._rooted.handle, path or ".", os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return []
        try:
            with os.scandir(handle) as found:
                return sorted(entry.name for entry in found if not folders or entry.is_dir(follow_symlinks=False))
        finally:
            os.close(handle)

    def _is_there(self, path: str) -> bool:
        try:
            os.close(openat2(self._rooted.handle, path, os.O_PATH | os.O_NOFOLLOW))
        except OSError:
            return False
        return True

    def digest(self, *, owners: bool) -> str:
        """What would be copied: names, kinds, modes, links, contents; times don't count. `owners`: those too."""
        whole = hashlib.sha256()
        for picked in self.found:
            whole.update(f"\0s {picked.name}\0{picked.below}".encode("utf-8", "surrogateescape"))
            for item in picked.items():
                whole.update(told(item, owners).encode("utf-8", "surrogateescape"))
        return whole.hexdigest()


def told(item: Item, owners: bool) -> str:
    mode = item.status.st_mode
    words = f"\0{stat.S_IFMT(mode):o} {stat.S_IMODE(mode):o} {item.path}\0"
    if owners:
        words += f"{item.status.st_uid}:{item.status.st_gid}\0"
    if stat.S_ISLNK(mode):
        return words + os.readlink(item.place)
    if not stat.S_ISREG(mode):
        return words + str(item.status.st_rdev)
    with open(item.place, "rb", buffering=0) as file:
        return words + hashlib.file_digest(file, "sha256").hexdigest()


def clean(word: str) -> tuple[str, int | None]:
    """The path below the root, and how many of its parts come before what --parents keeps (after `/./`)."""
    front, mark, back = word.partition("/./")
    if mark:
        head = posixpath.normpath(f"/{front}").lstrip("/")
        tail = posixpath.normpath(f"/{back}").lstrip("/")
        whole = f"{head}/{tail}" if head else tail
        return whole, len(head.split("/")) if head else 0
    # `..` can't leave the root: at the root it is the root
    path = posixpath.normpath(f"/{word}").lstrip("/")
    return path, None


def regex_of(pattern: str) -> str:
    """Go's filepath.Match for one segment."""
    found, at = "", 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            found += "[^/]*"
        elif character == "?":
            found += "[^/]"
        elif character == "\\" and at < len(pattern):
            found += re.escape(pattern[at])
            at += 1
        elif character == "[" and (end := pattern.find("]", at + 1)) > 0:
            inner = pattern[at:end]
            negated = inner.startswith(("^", "!"))
            body = (inner[1:] if negated else inner).replace("\\", "\\\\").replace("[", "\\[")
            found += f"[{'^' if negated else ''}{body}]"
            at = end + 1
        else:
            found += re.escape(character)
    return found
