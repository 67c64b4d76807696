"""One container's sockets in the steward: what they are for, and their end with the container's process."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.daemon.networks.steward.names import Names
from engine.daemon.networks.steward.proxy import Target, UdpProxy, carry_tcp

# The kinds of handed-over file descriptors.
NAMES_UDP, NAMES_TCP, TCP, UDP, PIDFD = "names-udp", "names-tcp", "tcp", "udp", "pidfd"


class Tenancy:
    """`ended` is called when the pidfd says that the container's process is gone."""

    def __init__(self, id: str, names: Names, ended: Callable[[str], None]) -> None:
        self._id = id
        self._names = names
        self._ended = ended
        self._servers: list[asyncio.Server] = []
        self._resolvers: list[socket.socket] = []
        self._proxies: list[UdpProxy] = []
        self._pidfds: list[int] = []
        # Where the published ports lead; a change of networks changes it.
        self.address: str | None = None

    async def take(self, kinds: Sequence[Mapping[str, Any]], handles: Sequence[int]) -> None:
        """Put each handle to its use. They are this tenancy's from here on, come what may."""
        for kind, handle in zip(kinds, handles, strict=True):
            if kind["kind"] == PIDFD:
                self._watch(handle)
                continue
            held = socket.socket(fileno=handle)
            held.setblocking(False)
            await self._use(kind, held)

    async def _use(self, kind: Mapping[str, Any], held: socket.socket) -> None:
        match kind["kind"]:
            case "names-udp":
                self._resolvers.append(held)
                self._names.serve_udp(self._id, held)
            case "names-tcp":
                await self._listen(held, lambda reader, writer: self._names.serve_tcp(self._id, reader, writer))
            case "tcp":
                target = self._target(kind)
                await self._listen(held, lambda reader, writer: carry_tcp(reader, writer, target()))
            case "udp":
                self._proxies.append(UdpProxy(held, self._target(kind)))
            case other:
                held.close()
                raise ValueError(f"unknown kind of socket: {other}")

    def _target(self, kind: Mapping[str, Any]) -> Callable[[], Target]:
        address, port = str(kind["address"]), int(kind["port"])
        return lambda: (self.address or address, port)

    async def _listen(self, held: socket.socket, serve: Callable[..., Any]) -> None:
        self._servers.append(await asyncio.start_server(serve, sock=held))

    def _watch(self, handle: int) -> None:
        self._pidfds.append(handle)
        asyncio.get_running_loop().add_reader(handle, self._ended, self._id)

    def close(self) -> None:
        """Idempotent. Connections that are open go on: they end with the container."""
        loop = asyncio.get_running_loop()
        for handle in self._pidfds:
            loop.remove_reader(handle)
            os.close(handle)
        for resolver in self._resolvers:
            self._names.stop_udp(resolver)
            resolver.close()
        for server in self._servers:
            server.close()
        for proxy in self._proxies:
            proxy.close()
        self._pidfds, self._resolvers, self._servers, self._proxies = [], [], [], []
