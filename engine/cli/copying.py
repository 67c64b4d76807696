"""Files between the host and one container, by the rules of `docker cp`, for `cp` and `container cp`."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO

import anyio

from engine.api.errors import InvalidArgument, NotFound
from engine.cli.archives import host_source, pack, unpack
from engine.cli.output import write
from engine.client.session import Engine

# Go's mode bits, as the engine's path stat has them.
DIRECTORY, SYMLINK = 1 << 31, 1 << 27
CHUNK = 1 << 16


def split_service(text: str) -> tuple[str, str] | None:
    """`web:/a` → service and path. A path here that holds a colon starts with `/` or `.`."""
    service, colon, path = text.partition(":")
    return (service, path) if colon and service and text[0] not in "/." else None


async def copy_out(engine: Engine, id: str, path: str, target: str, *, follow: bool, keep_owner: bool) -> None:
    if follow:
        path = await resolved(engine, id, path)
    async with engine.containers.get_archive(id, path) as archive:
        if target == "-":
            async for piece in archive:
                write(sys.stdout.buffer, piece)
            return
        name, is_folder = archive.stat["name"], bool(archive.stat["mode"] & DIRECTORY)
        folder, as_name = landing(Path(target), target, name, is_folder=is_folder, contents=path.endswith("/."))
        # the top of the tar is called `/` where the whole file system was asked for
        top = "" if name == "/" else name

        def work(stream: IO[bytes]) -> None:
            unpack(stream, folder, name=top, as_name=as_name, keep_owner=keep_owner)

        await into_thread(archive, work)


def landing(path: Path, text: str, name: str, *, is_folder: bool, contents: bool) -> tuple[Path, str | None]:
    """The folder to unpack in, and the name that the top gets there (None: only what is in it)."""
    if path.is_dir():
        return path, None if contents else "" if name == "/" else name
    if text.endswith("/") and not is_folder:
        raise NotFound(f"{text}: no such directory")
    if path.exists() and is_folder:
        raise InvalidArgument(f"can't copy a directory over the file {text}")
    if not path.parent.is_dir():
        raise NotFound(f"{path.parent}: no such directory")
    return path.parent, path.name


async def copy_in(engine: Engine, id: str, source: str, path: str, *, follow: bool, keep_owner: bool) -> None:
    if source == "-":
        await engine.containers.put_archive(id, path, read_pieces(sys.stdin.buffer), copy_uid_gid=keep_owner)
        return
    here = host_source(source)
    is_folder = (here.resolve() if follow else here).is_dir() and (follow or not here.is_symlink())
    contents = source.endswith("/.") or source == "."
    there = await stat_of(engine, id, path)
    if there and there["mode"] & SYMLINK:
        path = await resolved(engine, id, path)
        there = await stat_of(engine, id, path)
    if there and there["mode"] & DIRECTORY:
        folder, name = path, here.resolve().name if here.name in {"", ".", ".."} else here.name
    elif there and is_folder:
        raise InvalidArgument(f"can't copy a directory over the file {path}")
    elif path.endswith("/") and not is_folder:
        raise NotFound(f"{path}: no such directory in the container")
    else:
        target = PurePosixPath(path)
        folder, name, contents = str(target.parent), target.name, False

    def work(stream: IO[bytes]) -> None:
        pack(stream, here, name, contents=contents and is_folder, follow=follow, keep_owner=keep_owner)

    await engine.containers.put_archive(
        id, folder, out_of_thread(work), no_overwrite_dir_non_dir=True, copy_uid_gid=keep_owner
    )


async def stat_of(engine: Engine, id: str, path: str) -> dict[str, int] | None:
    try:
        return {"mode": (await engine.containers.path_stat(id, path))["mode"]}
    except NotFound:
        return None


async def resolved(engine: Engine, id: str, path: str) -> str:
    """Where a link in the container points to, one step; the engine has resolved the folders above it."""
    found = await engine.containers.path_stat(id, path)
    link = found.get("linkTarget") or ""
    if not found["mode"] & SYMLINK or not link:
        return path
    return link if link.startswith("/") else str(PurePosixPath(path).parent / link)


@contextmanager
def piped() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Both ends of a pipe; the writing one may find its reader gone."""
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as reader, suppress(BrokenPipeError), open(writing, "wb") as writer:
        yield reader, writer


async def into_thread(pieces: AsyncIterator[bytes], work: Callable[[IO[bytes]], None]) -> None:
    """Hand what comes to a blocking reader, through a pipe."""
    with piped() as (reader, writer):

        def read() -> None:
            try:
                work(reader)
                while reader.read(CHUNK):
                    pass
            finally:
                reader.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, read)
            # where the reader failed, it says why
            with suppress(BrokenPipeError):
                async for piece in pieces:
                    await anyio.to_thread.run_sync(writer.write, piece)
                await anyio.to_thread.run_sync(writer.close)


async def out_of_thread(work: Callable[[IO[bytes]], None]) -> AsyncIterator[bytes]:
    """What a blocking writer writes, as it comes, through a pipe."""
    with piped() as (reader, writer):

        def write() -> None:
            try:
                work(writer)
            finally:
                writer.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, write)
            while piece := await anyio.to_thread.run_sync(reader.read, CHUNK):
                yield piece


async def read_pieces(stream: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await anyio.to_thread.run_sync(stream.read, CHUNK):
        yield piece
