"""The build context: which files of a folder go to a build, as a tar that is made while it is sent, and as one digest.

Owners are root and extended attributes stay home, as with Docker's own clients. Walks and reads in threads; the tar is
never whole in memory.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tarfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio

from engine.builders.sources import DockerfileBuild
from engine.builders.tar_stream import END_OF_ARCHIVE, file_chunks, header
from engine.client.errors import InvalidArgument
from engine.dockerfile.ignore import Ignore, parse

DEFAULT_DOCKERFILE = "Dockerfile"
IGNORE_FILE = ".dockerignore"
REMOTE = re.compile(r"(?:https?|git|ssh)://|git@|github\.com/")
# Entries are walked this many at a time: one hop to a thread each would cost more than the walk.
BATCH = 256


@dataclass(frozen=True, slots=True)
class ContextEntry:
    path: str
    source: Path
    status: os.stat_result


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What is sent: the folder less what is ignored, plus `written` (name → content), which wins over the folder."""

    folder: Path
    dockerfile: str
    ignore: Ignore
    written: dict[str, bytes] = field(default_factory=dict)


def is_remote(context: str) -> bool:
    """A context that the builder fetches by itself: a URL or a git address."""
    return REMOTE.match(context) is not None


def read_context(build: DockerfileBuild) -> BuildContext:
    """Find the Dockerfile and the ignore file. Blocking. Raises InvalidArgument naming the path at fault."""
    folder = Path(build.context)
    if not folder.is_dir():
        fault = "is not a folder" if folder.exists() else "no such folder"
        raise InvalidArgument(f"{folder}: {fault} (the build context)")
    if build.dockerfile_inline is not None:
        return with_foreign_dockerfile(folder, build.dockerfile_inline.encode(), read_ignore(folder, None))
    path = find_dockerfile(folder, build.dockerfile)
    ignore = read_ignore(folder, path)
    inside = Path(os.path.relpath(path, folder))
    if inside.parts[0] == "..":
        return with_foreign_dockerfile(folder, path.read_bytes(), ignore)
    name = inside.as_posix()
    return BuildContext(folder, name, ignore.keeping(name, IGNORE_FILE))


def find_dockerfile(folder: Path, named: str | None) -> Path:
    path = folder / (named or DEFAULT_DOCKERFILE)
    if named in {None, "", DEFAULT_DOCKERFILE} and not path.exists() and (folder / "dockerfile").is_file():
        return folder / "dockerfile"
    if not path.is_file():
        raise InvalidArgument(f"{os.path.normpath(path)}: no such Dockerfile")
    return Path(os.path.normpath(path))


def read_ignore(folder: Path, dockerfile: Path | None) -> Ignore:
    """`<Dockerfile>.dockerignore` beside the Dockerfile wins over the context's own .dockerignore."""
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore") if dockerfile else None
    path = own if own is not None and own.is_file() else folder / IGNORE_FILE
    try:
        return parse(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except FileNotFoundError:
        return Ignore()
    except ValueError as error:
        raise InvalidArgument(f"{path}: {error}") from None


def with_foreign_dockerfile(folder: Path, text: bytes, ignore: Ignore) -> BuildContext:
    """A Dockerfile from elsewhere travels under a name of its own, which the builder is told to hide from COPY."""
    name = f".dockerfile.{hashlib.sha256(text).hexdigest()[:20]}"
    theirs = folder / IGNORE_FILE
    hidden = f"\n{name}\n".encode() + (b"" if theirs.is_file() else f"{IGNORE_FILE}\n".encode())
    written = {name: text, IGNORE_FILE: (theirs.read_bytes() if theirs.is_file() else b"") + hidden}
    return BuildContext(folder, name, ignore, written)


def entries(context: BuildContext) -> Iterator[ContextEntry]:
    """Every file, folder, link and pipe to send, in the order of names, a folder before what is in it. Blocking."""
    yield from below(context, context.folder, "")


def below(context: BuildContext, folder: Path, prefix: str) -> Iterator[ContextEntry]:
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidArgument(f"{folder}: can't be read for the build context: {error.strerror}") from None
    for entry in found:
        path = prefix + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        excluded = context.ignore.excludes(path)
        if excluded and not (is_folder and context.ignore.may_take_back_below(path)):
            continue
        status = entry.stat(follow_symlinks=False)
        if not excluded and not stat.S_ISSOCK(status.st_mode) and path not in context.written:
            yield ContextEntry(path, Path(entry.path), status)
        if is_folder:
            yield from below(context, Path(entry.path), f"{path}/")


async def context_tar(context: BuildContext) -> AsyncIterator[bytes]:
    """The context as a tar stream."""
    async for piece in members(context):
        yield piece
    yield END_OF_ARCHIVE


def written(name: str, content: bytes) -> bytes:
    """A file of this content as a member of a tar."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    return header(member) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


async def members(context: BuildContext, prefix: str = "") -> AsyncIterator[bytes]:
    """The context's members, each name behind the prefix; no end of the archive yet."""
    for name, content in sorted(context.written.items()):
        yield written(prefix + name, content)
    walk = entries(context)
    while batch := await anyio.to_thread.run_sync(partial(take, walk)):
        for entry in batch:
            member = member_of(entry)
            member.name = prefix + member.name
            yield header(member)
            if member.isreg():
                async for chunk in file_chunks(anyio.Path(entry.source), member.size):
                    yield chunk


def take(walk: Iterator[ContextEntry]) -> list[ContextEntry]:
    return [entry for entry, _ in zip(walk, range(BATCH), strict=False)]


def member_of(entry: ContextEntry) -> tarfile.TarInfo:
    mode = entry.status.st_mode
    member = tarfile.TarInfo(entry.path)
    member.mode, member.mtime = stat.S_IMODE(mode), int(entry.status.st_mtime)
    if stat.S_ISDIR(mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(mode):
        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(entry.source)
    elif stat.S_ISFIFO(mode):
        member.type = tarfile.FIFOTYPE
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        member.type = tarfile.CHRTYPE if stat.S_ISCHR(mode) else tarfile.BLKTYPE
        member.devmajor, member.devminor = os.major(entry.status.st_rdev), os.minor(entry.status.st_rdev)
    else:
        member.size = entry.status.st_size
    return member


def context_digest(context: BuildContext) -> str:
    """One digest over names, kinds, modes and contents: what a build can see, so not times or owners. Blocking."""
    whole = hashlib.sha256(context.dockerfile.encode())
    for name, content in sorted(context.written.items()):
        whole.update(f"\0w {name}\0{hashlib.sha256(content).hexdigest()}".encode())
    for entry in entries(context):
        member = member_of(entry)
        seen = f"\0{member.type.decode()} {member.mode:o} {entry.path}\0{member.linkname}"
        whole.update(seen.encode(errors="surrogateescape"))
        if member.isreg():
            whole.update(file_hash(entry.source).encode())
    return whole.hexdigest()


def file_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidArgument(f"{path}: can't be read for the build context: {error.strerror}") from None
