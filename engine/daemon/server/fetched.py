"""The archive at a URL, for an import: fetched in a thread, handed on as it comes, never whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from engine.api.errors import InvalidArgument, SystemFailure
from engine.kit.bridge import pieces_from_thread

PIECE = 256 * 1024
PATIENCE_SECONDS = 60


@asynccontextmanager
async def fetched(url: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """Raises InvalidArgument for what is no http URL, SystemFailure when it can't be had."""
    # late: only an import of a URL needs them
    from http.client import HTTPException
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    address = url if "://" in url else f"http://{url}"
    if not address.startswith(("http://", "https://")):
        raise InvalidArgument(f"fromSrc: {url!r} is no http or https URL, and not -")

    def pieces() -> Iterator[bytes]:
        try:
            with urlopen(Request(address), timeout=PATIENCE_SECONDS) as answer:
                while piece := answer.read(PIECE):
                    yield piece
        except (URLError, HTTPException, ValueError, OSError) as error:
            raise SystemFailure(f'Get "{address}": {getattr(error, "reason", error)}') from error

    async with pieces_from_thread(pieces) as stream:
        yield stream
