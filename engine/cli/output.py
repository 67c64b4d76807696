"""Bytes to standard output, and one clear end when nobody reads them any more (`rorqual logs -f | head`)."""

from __future__ import annotations

from typing import IO


class ReaderGone(Exception):
    """The other end of our output was closed: nothing is wrong, and nothing more can be said.

    No OSError, since those are taken for the engine's while a stream of it is open.
    """


def write(stream: IO[bytes], data: bytes, *, flush: bool = True) -> None:
    """Raises ReaderGone."""
    try:
        stream.write(data)
        if flush:
            stream.flush()
    except BrokenPipeError:
        raise ReaderGone from None
