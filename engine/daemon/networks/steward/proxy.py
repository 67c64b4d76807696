"""What the kernel can't lead to a container, carried by hand: ::1, and an IPv6 host address to an IPv4 container.

Every published port has such a socket, so that no other program can take the port, and whatever the firewall didn't
lead elsewhere still arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

CONNECT_SECONDS = 10.0
PIECE_BYTES = 1 << 16
UDP_IDLE_SECONDS = 90.0
MOST_UDP_CLIENTS = 1024
Target = tuple[str, int]


async def carry_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target) -> None:
    """One connection, both ways; an end of one direction is an end of that direction only."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            inner_reader, inner_writer = await asyncio.open_connection(*target)
    except (OSError, TimeoutError):
        abort(writer)
        return
    try:
        async with asyncio.TaskGroup() as directions:
            directions.create_task(copy(reader, inner_writer))
            directions.create_task(copy(inner_reader, writer))
    except* OSError:
        abort(writer)
        abort(inner_writer)
    finally:
        writer.close()
        inner_writer.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


def abort(writer: asyncio.StreamWriter) -> None:
    """A reset rather than a polite end: the client sees what it would without a proxy."""
    with contextlib.suppress(OSError):
        linger = b"\1\0\0\0\0\0\0\0"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


class UdpProxy:
    """Datagrams of each client on a connected socket of its own; a silent client is forgotten."""

    def __init__(self, outer: socket.socket, target: Callable[[], Target]) -> None:
        self._outer = outer
        self._target = target
        self._clients: dict[Any, tuple[socket.socket, asyncio.TimerHandle]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(outer, self._from_outside)

    def close(self) -> None:
        self._loop.remove_reader(self._outer)
        for client in list(self._clients):
            self._forget(client)
        self._outer.close()

    def _from_outside(self) -> None:
        for _ in range(64):
            try:
                datagram, client = self._outer.recvfrom(65535)
            except OSError:
                return
            with contextlib.suppress(OSError):
                inner = self._inner(client)
                if inner is not None:
                    inner.send(datagram)

    def _inner(self, client: Any) -> socket.socket | None:
        known = self._clients.get(client)
        if known is not None:
            inner, timer = known
            timer.cancel()
        elif len(self._clients) >= MOST_UDP_CLIENTS:
            return None
        else:
            target = self._target()
            family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
            inner = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            inner.connect(target)
            self._loop.add_reader(inner, self._from_inside, inner, client)
        timer = self._loop.call_later(UDP_IDLE_SECONDS, self._forget, client)
        self._clients[client] = inner, timer
        return inner

    def _from_inside(self, inner: socket.socket, client: Any) -> None:
        for _ in range(64):
            try:
                datagram = inner.recv(65535)
                self._outer.sendto(datagram, client)
            except OSError:
                return

    def _forget(self, client: Any) -> None:
        inner, timer = self._clients.pop(client)
        timer.cancel()
        self._loop.remove_reader(inner)
        inner.close()
