"""Pieces of a tar archive as bytes, for archives that are sent while they are made."""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator

import anyio

from engine.client.errors import Conflict

CHUNK = 1 << 20
END_OF_ARCHIVE = bytes(2 * tarfile.BLOCKSIZE)


def header(member: tarfile.TarInfo) -> bytes:
    """The header blocks of one member; long names and odd characters by PAX records."""
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


async def file_chunks(path: anyio.Path, size: int, offset: int = 0) -> AsyncIterator[bytes]:
    """Exactly `size` bytes of a file and the padding to a whole block.

    Raises Conflict when the file has become shorter: its header is already sent.
    """
    left = size
    async with await path.open("rb") as file:
        await file.seek(offset)
        while left:
            chunk = await file.read(min(CHUNK, left))
            if not chunk:
                raise Conflict(f"{path}: became shorter while it was being read")
            left -= len(chunk)
            yield chunk
    if padding := -size % tarfile.BLOCKSIZE:
        yield bytes(padding)
