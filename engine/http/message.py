"""One request and one response. Header names are lower-case; a header sent twice keeps its last value."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.http.connection import Connection


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is path and query, already escaped. A body of pieces is sent in chunks while the answer is read."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterable[bytes] = b""

    @property
    def idempotent(self) -> bool:
        return self.method in {"GET", "HEAD"}


class Response:
    """The head, and the body as it comes. Belongs to the block that made the exchange, and ends with it."""

    __slots__ = ("_connection", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], connection: Connection) -> None:
        self.status = status
        self.headers = headers
        self._connection = connection

    async def receive(self) -> bytes:
        """The next piece of the body; empty at its end. Raises ConnectionLost when it breaks off."""
        return await self._connection.receive_body()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.receive():
            yield piece

    async def read(self) -> bytes:
        """The rest of the body, whole."""
        first = await self.receive()
        pieces = [first]
        while pieces[-1]:
            pieces.append(await self.receive())
        return b"".join(pieces)
