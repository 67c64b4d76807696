"""One call of the Engine API: path and query written, the version put before, faults turned into our errors.

Every room calls through this; nothing here knows a noun. GETs are tried again on a kept connection that had died.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from engine.api.errors import InvalidArgument, SystemFailure
from engine.client.faults import parse, refusal_of, told
from engine.http.message import Request, Response
from engine.http.pool import Pool
from engine.http.upgraded import Upgraded

Query = Mapping[str, object]
Filters = Mapping[str, str | Sequence[str]]
Body = bytes | AsyncIterable[bytes] | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Calls:
    """`version` is the negotiated one, None before. With `looks_only` what would write is refused before it is sent."""

    pool: Pool
    address: str
    version: tuple[int, int] | None = None
    looks_only: bool = False

    async def fetch(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> tuple[Response, bytes]:
        """A short exchange; raises the error that a status from 400 up means."""
        request = self._request(method, path, query, body, headers)
        with told(self.address):
            response, content = await self.pool.fetch(request, timeout_seconds=timeout_seconds)
        if response.status >= 400:
            raise refusal_of(response.status, content, self.address)
        return response, content

    async def json(self, method: str, path: str, *, query: Query | None = None, body: Body = None) -> Any:
        """The answer's JSON, None for an empty one."""
        _, content = await self.fetch(method, path, query=query, body=body)
        return parse(content, self.address) if content.strip() else None

    async def get(self, path: str, **query: object) -> Any:
        return await self.json("GET", path, query=query)

    async def post(self, path: str, body: Body = None, **query: object) -> Any:
        return await self.json("POST", path, query=query, body=body)

    async def act(self, path: str, body: Body = None, **query: object) -> None:
        """A POST whose answer says no more than that it is done; Podman's is "OK" at times."""
        await self.fetch("POST", path, query=query, body=body)

    async def delete(self, path: str, **query: object) -> Any:
        return await self.json("DELETE", path, query=query)

    async def changed(self, path: str, **query: object) -> bool:
        """A POST that may find its work done already (304): False then."""
        response, _ = await self.fetch("POST", path, query=query)
        return response.status != 304

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Response]:
        """An exchange whose answer is read as it comes."""
        request = self._request(method, path, query, body, headers)
        with told(self.address):
            async with self.pool.exchange(request) as response:
                await self._refuse(response)
                yield response

    @asynccontextmanager
    async def upgrade(self, path: str, *, query: Query | None = None, body: Body = None) -> AsyncIterator[Upgraded]:
        """A POST that turns the connection into a raw stream."""
        request = self._request("POST", path, query, body, None)
        with told(self.address):
            async with self.pool.upgrade(request) as answer:
                if isinstance(answer, Response):
                    await self._refuse(answer)
                    raise SystemFailure(f"the engine at {self.address} gave no stream (status {answer.status})")
                yield answer

    async def _refuse(self, response: Response) -> None:
        if response.status >= 400:
            raise refusal_of(response.status, await response.read(), self.address)

    def _request(
        self, method: str, path: str, query: Query | None, body: Body, headers: Mapping[str, str] | None
    ) -> Request:
        # a wait is a POST that changes nothing
        if self.looks_only and method not in {"GET", "HEAD"} and not path.endswith("/wait"):
            raise InvalidArgument(f"--dry-run: {method} {path} would change the engine: leave --dry-run out to do it")
        prefix = "" if self.version is None else "/v{}.{}".format(*self.version)
        words = encode_query(query or {})
        sent = {"user-agent": "rorqual", **(headers or {})}
        if isinstance(body, Mapping):
            sent["content-type"] = "application/json"
            content: bytes | AsyncIterable[bytes] = json.dumps(body).encode()
        else:
            content = body if body is not None else b""
        return Request(method, f"{prefix}{path}?{words}" if words else prefix + path, sent, content)


def encode_query(query: Query) -> str:
    """None is left out, bools are 1 and 0, mappings are JSON, sequences repeat the key."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        match value:
            case None:
                pass
            case bool():
                pairs.append((name, "1" if value else "0"))
            case Mapping():
                if value:
                    pairs.append((name, json.dumps(value)))
            case list() | tuple():
                pairs += [(name, str(item)) for item in value]
            case _:
                pairs.append((name, str(value)))
    return urlencode(pairs)


def filters_of(filters: Filters | None) -> dict[str, list[str]]:
    """Filters as the API has them from 1.22 on: each a list."""
    return {name: [value] if isinstance(value, str) else list(value) for name, value in (filters or {}).items()}


def name_in_path(name: str) -> str:
    """A name or id as one segment of a path."""
    return quote(name, safe="")


def reference_in_path(reference: str) -> str:
    """An image reference: its slashes, colons and @ stay, as Docker's own client leaves them."""
    return quote(reference, safe="/:@")
