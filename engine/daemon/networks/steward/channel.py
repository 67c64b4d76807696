"""How the daemon speaks to the steward: one JSON message and up to 250 file descriptors a packet, each answered.

`put` a container (its names, the first sockets), more `sockets` for it, other `names` and the address of
its ports, `drop` some, `list` all, `end`.
The socket is a SOCK_SEQPACKET one: a message is whole or not there, and so is every change.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Sequence
from typing import Any

from engine.daemon.networks.steward.names import Names, Upstreams
from engine.daemon.networks.steward.tenancy import Tenancy
from engine.daemon.networks.steward.zone import Zone, resident_of

# Grows with every change of the messages: a daemon ends a steward that speaks another one and starts its own.
FORMAT = 2
MOST_HANDLES = 250
LONGEST_MESSAGE = 1 << 18


class Steward:
    def __init__(self, upstreams: Upstreams) -> None:
        self.zone = Zone()
        self._names = Names(self.zone, upstreams)
        self._tenancies: dict[str, Tenancy] = {}
        self.over = asyncio.Event()
        self.talking = 0

    @property
    def idle(self) -> bool:
        return not self._tenancies and not self.talking

    async def obey(self, message: dict[str, Any], handles: list[int]) -> dict[str, Any]:
        """Carry out one message; the answer. Handles that nobody took are closed."""
        try:
            match message["do"]:
                case "put":
                    return await self._put(message, handles)
                case "sockets":
                    tenancy = self._tenancies[message["id"]]
                    taken, handles[:] = list(handles), []
                    await tenancy.take(message["sockets"], taken)
                case "names":
                    if (known := self._tenancies.get(message["id"])) is not None:
                        self.zone.put(resident_of(message))
                        known.address = message.get("address") or known.address
                case "drop":
                    for id in message["ids"]:
                        self.drop(id)
                case "list":
                    return {"format": FORMAT, "pid": os.getpid(), "containers": sorted(self._tenancies)}
                case "end":
                    self.over.set()
                case other:
                    return {"fault": f"unknown message: {other}"}
            return {}
        finally:
            for handle in handles:
                os.close(handle)

    async def _put(self, message: dict[str, Any], handles: list[int]) -> dict[str, Any]:
        resident = resident_of(message)
        self.drop(resident.id)
        tenancy = self._tenancies[resident.id] = Tenancy(resident.id, self._names, self.drop)
        taken, handles[:] = list(handles), []
        try:
            await tenancy.take(message.get("sockets") or [], taken)
        except BaseException:
            self.drop(resident.id)
            raise
        self.zone.put(resident)
        return {}

    def drop(self, id: str) -> None:
        self.zone.drop(id)
        if (tenancy := self._tenancies.pop(id, None)) is not None:
            tenancy.close()


async def converse(steward: Steward, peer: socket.socket) -> None:
    """One daemon's messages, in order, until it hangs up."""
    steward.talking += 1
    try:
        while (received := await receive(peer)) is not None:
            message, handles = received
            try:
                answer = await steward.obey(message, handles)
            except Exception as error:
                answer = {"fault": f"{type(error).__name__}: {error}"}
            await asyncio.get_running_loop().sock_sendall(peer, json.dumps(answer).encode())
    except OSError:
        pass
    finally:
        steward.talking -= 1
        peer.close()


async def receive(peer: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message and its handles; None at the end."""
    while True:
        await readable(peer)
        try:
            text, handles = receive_now(peer)
        except BlockingIOError:
            continue
        except ConnectionError:
            return None
        if not text:
            return None
        try:
            message = json.loads(text)
            if isinstance(message, dict):
                return message, handles
        except ValueError:
            pass
        close_all(handles)


def receive_now(peer: socket.socket) -> tuple[bytes, list[int]]:
    handles = array.array("i")
    space = socket.CMSG_SPACE(MOST_HANDLES * handles.itemsize)
    text, extra, _, _ = peer.recvmsg(LONGEST_MESSAGE, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            handles.frombytes(data[: len(data) - len(data) % handles.itemsize])
    return text, list(handles)


def close_all(handles: Sequence[int]) -> None:
    for handle in handles:
        with contextlib.suppress(OSError):
            os.close(handle)


async def readable(peer: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(peer, tell)
    try:
        await ready
    finally:
        loop.remove_reader(peer)
