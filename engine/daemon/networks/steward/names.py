"""Answers to containers' look-ups: from the zone, else from upstream. One UDP and one TCP socket per container.

A look-up that goes upstream leaves from the host, on a socket and with a number of its own, so that nobody can guess
what to answer; when one server is silent the next is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from engine.daemon.networks.steward import wire
from engine.daemon.networks.steward.zone import Resident, Zone

PATIENCE_SECONDS = 2.5
IDLE_TCP_SECONDS = 10.0
MOST_WAITING = 2048
BURST = 64
HOST_RESOLV_CONF = Path("/etc/resolv.conf")
LAST_RESORT = ("1.1.1.1", "8.8.8.8")


class Upstreams:
    """The host's name servers, read again when the file changes, looked at once a second at most."""

    def __init__(self, path: Path = HOST_RESOLV_CONF) -> None:
        self._path = path
        self._servers: tuple[str, ...] = ()
        self._seen: tuple[int, int] | None = None
        self._next_look = 0.0

    def host(self) -> tuple[str, ...]:
        if (now := time.monotonic()) >= self._next_look:
            self._next_look = now + 1.0
            with contextlib.suppress(OSError):
                state = self._path.stat()
                if (mark := (state.st_mtime_ns, state.st_ino)) != self._seen:
                    self._servers = name_servers(self._path.read_text(errors="replace"))
                    self._seen = mark
        return self._servers


def name_servers(text: str) -> tuple[str, ...]:
    lines = (line.split() for line in text.splitlines())
    return tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")


class Names:
    """`answer` is the whole of it; the sockets are fed by the loop."""

    def __init__(self, zone: Zone, upstreams: Upstreams) -> None:
        self._zone = zone
        self._upstreams = upstreams
        self._waiting: set[asyncio.Task[None]] = set()

    def serve_udp(self, id: str, server: socket.socket) -> None:
        asyncio.get_running_loop().add_reader(server, self._read_udp, id, server)

    def stop_udp(self, server: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(server)

    def _read_udp(self, id: str, server: socket.socket) -> None:
        for _ in range(BURST):
            try:
                message, client = server.recvfrom(4096)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                return
            try:
                query = wire.read_query(message)
            except wire.Malformed as fault:
                if fault.id is not None:
                    send_to(server, wire.format_error(fault.id), client)
                continue
            resident = self._zone.residents.get(id)
            answer = self.local(resident, query, query.udp_bytes) if resident is not None else None
            if answer is None and resident is not None and len(self._waiting) < MOST_WAITING:
                self._start(self._relay_udp(resident, query, message, server, client))
            else:
                send_to(server, answer or wire.answer_nothing(query, wire.SERVFAIL), client)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def local(self, resident: Resident, query: wire.Query, limit: int | None) -> bytes | None:
        """The answer that needs nobody else; None where upstream must be asked."""
        if query.flags & wire.OPCODE:
            return wire.answer_nothing(query, wire.NOTIMP)
        if query.kind == wire.PTR:
            return self._reverse(resident, query)
        found = self._zone.look_up(resident, query.name) if query.name else None
        if found is None:
            return None if may_ask(resident, query) else wire.answer_nothing(query, refusal(resident, query))
        length = 4 if query.kind == wire.A else 16 if query.kind == wire.AAAA else 0
        fitting = [address for address in found if len(address) == length]
        if len(fitting) > 1:
            random.shuffle(fitting)
        return wire.answer_addresses(query, fitting, limit=limit)

    def _reverse(self, resident: Resident, query: wire.Query) -> bytes | None:
        address = wire.reversed_address(query.name)
        name = self._zone.reverse(resident, address) if address is not None else None
        if name is not None:
            return wire.answer_name(query, name)
        return None if resident.forwards else wire.answer_nothing(query, wire.NXDOMAIN)

    def servers_of(self, resident: Resident) -> Sequence[str]:
        return (self._upstreams.host() if resident.upstreams is None else resident.upstreams) or LAST_RESORT

    async def _relay_udp(
        self, resident: Resident, query: wire.Query, message: bytes, server: socket.socket, client: Any
    ) -> None:
        answer = await ask_any_udp(self.servers_of(resident), message)
        send_to(server, answer or wire.answer_nothing(query, wire.SERVFAIL), client)

    async def serve_tcp(self, id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Queries, one after the other, each with its length before it, until the client has no more."""
        try:
            while (resident := self._zone.residents.get(id)) is not None:
                async with asyncio.timeout(IDLE_TCP_SECONDS):
                    message = await read_message(reader)
                query = wire.read_query(message)
                answer = self.local(resident, query, None)
                if answer is None:
                    answer = await ask_any_tcp(self.servers_of(resident), message)
                answer = answer or wire.answer_nothing(query, wire.SERVFAIL)
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, TimeoutError, wire.Malformed):
            pass
        finally:
            writer.close()


def may_ask(resident: Resident, query: wire.Query) -> bool:
    return resident.forwards and not (resident.single_labels_stay and "." not in query.name)


def refusal(resident: Resident, query: wire.Query) -> int:
    """No way out: nobody else can say. A name that must stay here: there is no such name."""
    return wire.NXDOMAIN if "." not in query.name else wire.SERVFAIL


def send_to(server: socket.socket, message: bytes, client: Any) -> None:
    with contextlib.suppress(OSError):
        server.sendto(message, client)


async def read_message(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(length)


async def ask_any_udp(servers: Sequence[str], message: bytes) -> bytes | None:
    for server in servers:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await ask_udp(server, message)
    return None


async def ask_udp(server: str, message: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    number = os.urandom(2)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as asking:
        # Connected: only this server's datagrams come in, and a port that is closed says so at once.
        await loop.sock_connect(asking, (server.partition("%")[0], 53))
        await loop.sock_sendall(asking, number + message[2:])
        while True:
            answer = await loop.sock_recv(asking, 65535)
            if len(answer) >= 12 and answer[:2] == number and answer[2] & 0x80:
                return message[:2] + answer[2:]


async def ask_any_tcp(servers: Sequence[str], message: bytes) -> bytes | None:
    for server in servers:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(2 * PATIENCE_SECONDS):
                reader, writer = await asyncio.open_connection(server, 53)
                try:
                    writer.write(len(message).to_bytes(2, "big") + message)
                    return await read_message(reader)
                finally:
                    writer.close()
    return None
