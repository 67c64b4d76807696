"""Notices that nobody reads our output any more while there is nothing to write (`rorqual logs -f | head`)."""

from __future__ import annotations

import os
import stat
import sys

import anyio

from engine.cli.output import ReaderGone


async def reader_gone() -> None:
    """Wait until nobody reads standard output, where that can be told: where it is a pipe. Raises ReaderGone.

    An error on a pipe's writing end wakes who waits to read from it.
    """
    if stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        await anyio.wait_readable(sys.stdout.fileno())
        raise ReaderGone
    await anyio.sleep_forever()
