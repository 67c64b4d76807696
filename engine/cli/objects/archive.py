"""A tar that comes from the engine, to a file or to standard output: a file is whole or not there."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO

import anyio

from engine.cli.output import write
from engine.kit.files import arriving_file

CHUNK = 1 << 16


async def written(pieces: AsyncIterable[bytes], output: Path | None) -> None:
    """Write what comes; a file gets its name at the end. Raises OSError."""
    with nullcontext(sys.stdout.buffer) if output is None else arriving_file(output) as stream:
        async for piece in pieces:
            write(stream, piece, flush=False)
        write(stream, b"")


async def read_file(source: Path | None) -> AsyncIterator[bytes]:
    """A file's bytes, or standard input's. Raises OSError."""
    if source is None:
        async for piece in pieces_of(sys.stdin.buffer):
            yield piece
        return
    with source.open("rb") as file:
        async for piece in pieces_of(file):
            yield piece


async def pieces_of(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await anyio.to_thread.run_sync(file.read, CHUNK):
        yield piece
