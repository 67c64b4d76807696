"""Connections to the servers that registries are made of: the registry, its token server, where its blobs lie.

One per process: connections are kept between requests. Faults are engine.http's.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from anyio.abc import ByteStream

from engine.http.dial import dial_tcp, dial_tls, secured
from engine.http.errors import ConnectFailed
from engine.http.message import Request, Response
from engine.http.pool import Pool
from engine.http.proxy import Proxy, proxy_for, tunnel
from engine.registry.client.policy import Policy

HEAD_SECONDS = 60.0
# Connections that one registry may be asked on at a time.
BUSY_LIMIT = 16


@dataclass(frozen=True, slots=True)
class Origin:
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Raises ConnectFailed for what is no http(s) URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConnectFailed(f'"{url}" is not a URL: {error}') from error
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConnectFailed(f'"{url}" is not a URL of http or https')
        return cls(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80))

    @property
    def name(self) -> str:
        """`host[:port]`, the port where it isn't the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


class Web:
    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._pools: dict[Origin, Pool] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] = b"",
    ) -> AsyncIterator[Response]:
        """One request, no redirect followed; the block gets the answer's head. Raises HttpFault's classes."""
        origin = Origin.of(url)
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        proxy = self._proxy(origin)
        sent = {"user-agent": "rorqual", **(headers or {})}
        if proxy is not None and origin.scheme == "http":
            target, sent = f"http://{origin.name}{target}", {**sent, **proxy.headers}
        async with self._pool(origin, proxy).exchange(
            Request(method, target, sent, body), timeout_seconds=HEAD_SECONDS
        ) as response:
            yield response

    def _proxy(self, origin: Origin) -> Proxy | None:
        return proxy_for(origin.scheme, origin.host, origin.port, self.policy.environment)

    def _pool(self, origin: Origin, proxy: Proxy | None) -> Pool:
        if origin not in self._pools:

            async def dial() -> ByteStream:
                if origin.scheme == "http":
                    return await (dial_tcp(proxy.host, proxy.port) if proxy else dial_tcp(origin.host, origin.port))
                context = self._context(origin.name)
                if proxy is None:
                    return await dial_tls(origin.host, origin.port, context, origin.host)
                return await secured(await tunnel(proxy, origin.host, origin.port), context, origin.host)

            self._pools[origin] = Pool(dial, host=origin.name, busy_limit=BUSY_LIMIT)
        return self._pools[origin]

    def _context(self, where: str) -> ssl.SSLContext:
        if where not in self._contexts:
            try:
                self._contexts[where] = self.policy.context(where)
            except OSError as error:
                raise ConnectFailed(f"the certificates for {where} can't be used: {error}") from error
        return self._contexts[where]

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()
