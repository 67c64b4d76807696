"""The engine itself: who it is, what it uses, what happens in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from engine.api.errors import NotImplementedByEngine
from engine.client.calls import Calls, Filters, filters_of
from engine.client.capabilities import extends
from engine.client.streams import JsonLines
from engine.credentials.config import Credentials

if TYPE_CHECKING:
    # For annotations only: making the shapes' classes costs 10 ms.
    from engine.api.system import AuthAnswer, CheckAnswer, DiskUsage, Event, Info, Ping, Version

PING_SECONDS = 30.0


class SystemReader:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def ping(self, *, timeout_seconds: float = PING_SECONDS) -> Ping:
        response, _ = await self._calls.fetch("GET", "/_ping", timeout_seconds=timeout_seconds)
        headers = response.headers
        return {
            "api_version": headers.get("api-version", ""),
            "os": headers.get("ostype", ""),
            "experimental": headers.get("docker-experimental") == "true",
            "builder": headers.get("builder-version", ""),
            "server": headers.get("server", ""),
        }

    async def version(self) -> Version:
        found: Version = await self._calls.get("/version")
        return found

    async def info(self) -> Info:
        found: Info = await self._calls.get("/info")
        return found

    async def df(self) -> DiskUsage:
        """Slow: the engine counts files."""
        found: DiskUsage = await self._calls.get("/system/df")
        return found

    @asynccontextmanager
    async def events(
        self, *, filters: Filters | None = None, since: str | float | None = None, until: str | float | None = None
    ) -> AsyncIterator[JsonLines[Event]]:
        """What happens from now on, or from `since`; with `until` it ends. Both are seconds since the epoch.

        In the block nothing more is missed. Podman 4.3 shows nothing at all for an `until` in the past.
        """
        query = {"filters": filters_of(filters), "since": since, "until": until}
        async with self._calls.stream("GET", "/events", query=query) as response:
            yield JsonLines(response, self._calls.address)


class SystemWriter(SystemReader):
    async def check(self, *, mend: bool) -> CheckAnswer:
        """Have the embedded engine look through its state, layers and all. Raises NotImplementedByEngine elsewhere."""
        if not extends(await self.version(), "rorqual-check"):
            raise NotImplementedByEngine(
                f"the engine at {self._calls.address} has no check of its state: only Rorqual's embedded engine has one"
            )
        if mend:
            mended: CheckAnswer = await self._calls.post("/rorqual/check")
            return mended
        found: CheckAnswer = await self._calls.get("/rorqual/check")
        return found

    async def auth(self, credentials: Credentials) -> AuthAnswer:
        """Have the engine try the credentials at their registry. Raises Unauthorized."""
        answer: AuthAnswer = await self._calls.post("/auth", credentials)
        return answer
