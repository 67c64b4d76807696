"""A network namespace for a test, and containers that are nothing but a namespace with a sleeping process.

The test's own thread enters the namespace; threads and processes that it starts are in it too. The machine's own
links, routes and rules are never touched.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from engine.daemon.events import EventBus
from engine.daemon.networks.kernel import links, netns
from engine.daemon.networks.kernel.netlink import Netlink
from engine.daemon.networks.opening import OpenNetworks, open_networks
from engine.daemon.protocols import Attached, Attachment, Places
from engine.daemon.store.records import RecordStore
from engine.kit.clock import SystemClock

PUBLISHED = {"80/tcp": [{"HostPort": "8080"}], "81/udp": [{"HostPort": "8081"}]}
LIBC = ctypes.CDLL(None, use_errno=True)
# Answers each connection with the address that it came from.
TCP_SERVER = """
import socketserver, sys
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.client_address[0].encode())
class Server(socketserver.ThreadingTCPServer):
    address_family, allow_reuse_address, daemon_threads = 10, True, True
server = Server(("::", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
"""
UDP_SERVER = """
import socket, sys
server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.bind(("::", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, client = server.recvfrom(2000)
    server.sendto(data.upper(), client)
"""
TCP_CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5) as talk:
    print(talk.recv(100).decode())
"""
UDP_CLIENT = """
import socket, sys
with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as talk:
    talk.settimeout(1.5)
    talk.connect((sys.argv[1], int(sys.argv[2])))
    talk.send(b"hello")
    print(talk.recv(100).decode())
"""
LOOK_UP = """
import socket, sys
for line in sys.argv[1:]:
    name, kind = line.split("/")
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + bytes([0, 0, int(kind), 0, 1])
    message = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + question
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talk:
        talk.settimeout(8)
        talk.connect(("127.0.0.11", 53))
        talk.send(message)
        answer = talk.recv(4096)
    with socket.create_connection(("127.0.0.11", 53), 8) as stream:
        stream.sendall(len(message).to_bytes(2, "big") + message)
        length = int.from_bytes(stream.recv(2), "big")
        assert len(stream.recv(length)) == len(answer), "TCP and UDP differ"
    at, found = 12 + len(question), []
    for _ in range(int.from_bytes(answer[6:8], "big")):
        size = int.from_bytes(answer[at + 10 : at + 12], "big")
        value = answer[at + 12 : at + 12 + size]
        if kind == "1":
            found.append(socket.inet_ntop(socket.AF_INET, value))
        elif kind == "28":
            found.append(socket.inet_ntop(socket.AF_INET6, value))
        else:
            found.append(value.decode("latin-1"))
        at += 12 + size
    print(name, answer[3] & 15, *sorted(found))
"""


@contextmanager
def own_netns() -> Iterator[None]:
    """The calling thread is in a new namespace, its lo up, until the block ends."""
    home = os.open(netns.OWN, os.O_RDONLY | os.O_CLOEXEC)
    assert LIBC.unshare(netns.CLONE_NEWNET) == 0, "needs root"
    try:
        with Netlink() as netlink:
            netlink.do([links.set_up(1)])
        yield
    finally:
        netns.setns(home)
        os.close(home)


@dataclass
class Box:
    """A namespace kept by a sleeping process: as much of a container as the room sees."""

    process: subprocess.Popen[bytes]
    servers: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def netns(self) -> Path:
        return Path(f"/proc/{self.process.pid}/ns/net")

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        entering = ["nsenter", f"--net={self.netns}", *command]
        return subprocess.run(entering, capture_output=True, text=True, timeout=60, check=False)

    def python(self, program: str, *arguments: str) -> str:
        """What the program printed; "" when it failed."""
        return self.run([sys.executable, "-I", "-c", program, *arguments]).stdout.strip()

    def serve(self, program: str, port: int) -> None:
        command = ["nsenter", f"--net={self.netns}", sys.executable, "-I", "-c", program, str(port)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.servers.append(server)
        assert server.stdout is not None and server.stdout.readline() == "ready\n"

    def end(self) -> None:
        for server in self.servers:
            server.kill()
            server.communicate()
        self.servers.clear()
        self.process.kill()
        self.process.wait()


def on_host(program: str, *arguments: str) -> str:
    """The program run where the bridges are."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.strip()


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> None:
    """Look again and again: what is waited for happens in other processes, and in the kernel."""
    with anyio.fail_after(seconds):
        while not await condition():  # noqa: ASYNC110  # there is no event of ours
            await anyio.sleep(0.03)


def shell(command: str) -> str:
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=True).stdout


class Host:
    """A daemon's networks, opened (and opened again) over the same folders, and the boxes attached to them."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(folder / "root", folder / "run", folder / "engine.sock")
        self.places.root.mkdir()
        self.boxes: list[Box] = []

    @asynccontextmanager
    async def open(self, alive: dict[str, Path] | None = None) -> AsyncIterator[OpenNetworks]:
        store = RecordStore(self.places.root / "records.db")
        self.events = EventBus(SystemClock())
        try:
            async with open_networks(self.places, store, self.events, SystemClock()) as networks:
                await networks.room.recover(alive or {})
                yield networks
        finally:
            store.close()

    def box(self) -> Box:
        here = os.readlink(netns.OWN)
        box = Box(subprocess.Popen(["unshare", "--net", "sleep", "600"]))
        self.boxes.append(box)
        while os.readlink(box.netns) == here:
            time.sleep(0.002)
        return box

    async def attach(self, rooms: OpenNetworks, name: str, **more: Any) -> tuple[Box, Attached]:
        box = self.box()
        return box, await rooms.room.attach(attachment(name, **more), box.netns)

    def end(self) -> None:
        for box in self.boxes:
            box.end()


def id_of(name: str) -> str:
    return name.encode().hex().ljust(64, "0")


def attachment(name: str, *, networks: Sequence[str] = ("shop",), **more: Any) -> Attachment:
    endpoints = more.pop("endpoints", None) or {network: {} for network in networks}
    return Attachment(container=id_of(name), name=name, hostname=f"{name}-host", endpoints=endpoints, **more)


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    anyio.run(scenario)
