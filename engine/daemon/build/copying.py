"""COPY and ADD: their sources found, told by a digest for the cache's key, and laid into a layer."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import to_thread

from engine.daemon.build.configuring import Words, directory_of
from engine.daemon.build.faults import StepFault
from engine.daemon.build.fetching import Download, clone, download, is_git, is_url
from engine.daemon.build.laying import MANY, Laying, Manner, lay
from engine.daemon.build.options import BuildOptions
from engine.daemon.build.picking import NotThere, Picked, Picking
from engine.daemon.build.rooms import BuildRooms
from engine.daemon.build.sources import Origin, Sources
from engine.daemon.build.state import Scope, State, key_of
from engine.daemon.snapshots.streams import Pieces, is_packed, unpacked
from engine.daemon.snapshots.tarread import BLOCK, TarFault, is_tar
from engine.dockerfile.expand import CantExpand, expand_heredoc
from engine.dockerfile.ignore import Ignore, parse
from engine.dockerfile.instructions import Copy
from engine.kit.rooted import RootedFolder


@dataclass(slots=True)
class Job:
    """One COPY or ADD, expanded. `local` are names in the origin; the rest came from elsewhere."""

    word: str
    manner: Manner
    origin: Origin
    ignore: Ignore
    local: list[str]
    inline: dict[str, bytes] = field(default_factory=dict)
    downloads: list[Download] = field(default_factory=list)
    # git repositories: the folder and the commit
    trees: list[tuple[Path, str]] = field(default_factory=list)
    unpack_local: bool = False
    unpack_downloads: bool = False
    digest: str = ""

    @property
    def many(self) -> bool:
        return len(self.local) + len(self.inline) + len(self.downloads) + len(self.trees) > 1


class Copying:
    """The COPYs and ADDs of one stage."""

    def __init__(self, rooms: BuildRooms, options: BuildOptions, sources: Sources, scope: Scope, scratch: Path) -> None:
        self._rooms = rooms
        self._options = options
        self._sources = sources
        self._scope = scope
        self._scratch = scratch

    async def prepare(self, instruction: Copy, config: Mapping[str, Any], words: Words) -> Job:
        """Find, fetch and digest the sources. Raises StepFault, DockerfileError."""
        word = "ADD" if instruction.add else "COPY"
        from_elsewhere = bool(instruction.origin)
        origin = await self._sources.origin(words.one(instruction.origin) if from_elsewhere else "")
        job = Job(
            word,
            Manner(
                destination_of(config, words.one(instruction.destination)),
                words.one(instruction.chown) if instruction.chown else "",
                words.one(instruction.chmod) if instruction.chmod else "",
                keeps_owner=from_elsewhere and origin.folder is None,
                parents=instruction.parents,
            ),
            origin,
            ignore_of([words.one(pattern) for pattern in instruction.exclude]),
            [],
            unpack_local=instruction.add and instruction.unpack is not False,
            unpack_downloads=bool(instruction.add and instruction.unpack),
        )
        for source in instruction.sources:
            await self._source(instruction, source, job, words, config)
        if job.many and not job.manner.destination.endswith("/") and not job.manner.parents:
            raise StepFault(MANY.format(word))
        job.digest = await self._digest(job)
        return job

    async def _source(self, instruction: Copy, source: str, job: Job, words: Words, config: Mapping[str, Any]) -> None:
        heredoc = instruction.inline.get(source.removeprefix("<<")) if source.startswith("<<") else None
        if heredoc is not None:
            text = heredoc.text
            if heredoc.expand:
                try:
                    text = expand_heredoc(text, self._scope.environment(config))
                except CantExpand as error:
                    raise words.wrong("expand", f"failed to process the here-document: {error}") from None
            job.inline[words.one(heredoc.name)] = text.encode("utf-8", "surrogateescape")
            return
        name = words.one(source)
        if instruction.add and is_git(name):
            path, commit = await clone(name, self._scratch, keep_git_dir=instruction.keep_git_dir)
            wanted = words.one(instruction.checksum)
            if wanted and not commit.startswith(wanted.rpartition(":")[2]):
                raise StepFault(f"ADD failed: {name} is at the commit {commit}, not {wanted}")
            job.trees.append((path, commit))
        elif instruction.add and is_url(name):
            job.downloads.append(await download(name, self._scratch, words.one(instruction.checksum)))
        else:
            if instruction.checksum:
                raise words.wrong("checksum", "checksum can't be specified for a local source")
            job.local.append(name)

    async def _digest(self, job: Job) -> str:
        """A digest of what is copied, from wherever."""
        asked = [job.local, [pattern.text for pattern in job.ignore.patterns], job.manner.parents]
        found = self._rooms.cache.known_digest(job.origin.top, asked) if job.origin.folder is None else None
        if found is None and job.local:
            async with self._sources.opened(job.origin) as root:
                found = await to_thread.run_sync(self._digest_of, job, root)
            if job.origin.folder is None:
                self._rooms.cache.know_digest(job.origin.top, asked, found)
        inline = {name: content.decode("latin-1") for name, content in job.inline.items()}
        trees = [await to_thread.run_sync(digest_of_tree, path) for path, _ in job.trees]
        return key_of(found or "", inline, [[each.name, each.digest] for each in job.downloads], trees)

    def _digest_of(self, job: Job, root: Path) -> str:
        with picked(job, root) as picking:
            return picking.digest(owners=job.manner.keeps_owner)

    async def run(self, job: Job, state: State) -> tuple[str, int]:
        """→ the layer's DiffID and size. Raises StepFault."""
        async with AsyncExitStack() as stack:
            folder = await stack.enter_async_context(self._sources.opened(job.origin))
            now_ns = (
                self._options.epoch * 10**9 if self._options.epoch is not None else int(self._rooms.clock.now() * 1e9)
            )
            return await self._rooms.changed(
                state, self._options.epoch, lambda root: carry_out(job, folder, root, now_ns)
            )


def destination_of(config: Mapping[str, Any], word: str) -> str:
    """Absolute; a slash at the end stays, and `.` means a folder."""
    path = directory_of(config, word)
    is_folder = word.endswith("/") or posixpath.basename(word) in (".", "..") or path == "/"
    return f"{path.rstrip('/')}/" if is_folder else path


def ignore_of(patterns: Sequence[str]) -> Ignore:
    try:
        return parse("\n".join(patterns))
    except ValueError as error:
        raise StepFault(f"--exclude: {error}") from None


def picked(job: Job, root: Path) -> Picking:
    """The caller closes it. Raises StepFault for a name that isn't there."""
    picking = Picking(root, job.ignore, deep=job.manner.parents)
    try:
        for name in job.local:
            picking.pick(name)
        if not (picking.fitted or job.inline or job.downloads or job.trees):
            raise NotThere("no source files were specified")
    except NotThere as error:
        picking.__exit__(None, None, None)
        raise StepFault(f"{job.word} failed: {error}") from None
    except BaseException:
        picking.__exit__(None, None, None)
        raise
    return picking


def digest_of_tree(path: Path) -> str:
    with Picking(path) as picking:
        picking.pick("/")
        return picking.digest(owners=False)


def carry_out(job: Job, folder: Path, root: Path, now_ns: int) -> None:
    """In a thread, with the stage's root mounted."""
    with picked(job, folder) as picking:
        archives = [found for found in picking.found if job.unpack_local and is_archive(found)]
        picking.found[:] = [found for found in picking.found if found not in archives]
        try:
            lay(root, job.manner, picking, job.inline, now_ns)
            with RootedFolder(root) as rooted:
                laying = Laying(rooted, job.manner)
                for found in archives:
                    laying.archive(found.place)
                for each in job.downloads:
                    put_download(job, laying, each)
                for path, _ in job.trees:
                    put_tree(job, root, path)
        finally:
            picking.found.extend(archives)


def put_download(job: Job, laying: Laying, each: Download) -> None:
    if job.unpack_downloads and is_archive_file(each.path):
        laying.archive(os.fspath(each.path))
        return
    if not each.name and laying.wants_folder:
        raise StepFault(
            f"cannot determine filename for the download: name it in the destination ({job.manner.destination})"
        )
    laying.download(each.name, os.fspath(each.path), 0o600, each.mtime_ns)


def put_tree(job: Job, root: Path, path: Path) -> None:
    with Picking(path, job.ignore) as picking:
        picking.pick("/")
        lay(root, job.manner, picking, {}, 0)


def is_archive(found: Picked) -> bool:
    return not found.is_folder and is_archive_file(Path(found.place))


def is_archive_file(path: Path) -> bool:
    """A tar, packed or not, by its first bytes: what a packed file's first block holds is looked at."""
    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(BLOCK)
            if not is_packed(head):
                return begins_tar(head)
            file.seek(0)
            plain = Pieces(unpacked(Pieces(lambda: file.read(1 << 16))))
            return begins_tar(plain.peek(BLOCK))
    except (TarFault, OSError):
        return False


def begins_tar(head: bytes) -> bool:
    """A block of zeros, which ends a tar, begins none."""
    return is_tar(head) and any(head)
