"""The daemon's end of the channel: starts the steward, feeds it, and feeds a new one when it dies.

What the steward holds is asked of it, not remembered: `held` after a daemon's start tells which containers still
have their sockets.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from engine.api.errors import SystemFailure
from engine.daemon.networks.steward.channel import FORMAT, LONGEST_MESSAGE, MOST_HANDLES
from engine.kit.apart import apart

START_SECONDS = 20.0
ANSWER_SECONDS = 20.0
END_SECONDS = 5.0
# Ids in one message, which is no longer than LONGEST_MESSAGE.
MOST_DROPPED = 1000


class StewardGone(SystemFailure):
    """It died, or never came up; what it held must be given to a new one."""


@dataclass(frozen=True, slots=True)
class Handle:
    """An open file descriptor to hand over, and its use as `tenancy` knows it. Closed here once it is sent."""

    kind: str
    fd: int
    address: str = ""
    port: int = 0

    def described(self) -> dict[str, Any]:
        return {"kind": self.kind, "address": self.address, "port": self.port}


class StewardClient:
    """One conversation at a time. `folder` is on a tmpfs, and the daemon's own."""

    def __init__(self, folder: Path, places: Sequence[Path] = ()) -> None:
        """`places`: the cgroups that it begins in (kit.apart)."""
        self._folder = folder
        self._places = places
        self._peer: socket.socket | None = None
        self._turn = anyio.Lock()
        self._pid: int | None = None
        # The process that we speak to, or spoke to last.
        self.serving: int | None = None

    def close(self) -> None:
        """Hang up; the steward goes on."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def hung_up(self) -> bool:
        """Whether the steward is not there (any more); costs one system call."""
        if self._peer is None:
            return True
        try:
            return self._peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def left_behind(self) -> bool:
        """Whether one may run from a daemon before."""
        return (self._folder / "steward.sock").exists()

    async def held(self) -> set[str]:
        """The containers whose sockets it has. Starts it when it isn't there."""
        return set((await self._say({"do": "list"}))["containers"])

    async def put(self, record: Mapping[str, Any], handles: Sequence[Handle]) -> None:
        """A container, whole, in place of what was known of it. The handles are closed here, sent or not."""
        try:
            first, rest = handles[:MOST_HANDLES], handles[MOST_HANDLES:]
            await self._say({"do": "put", **record, "sockets": [handle.described() for handle in first]}, first)
            while rest:
                first, rest = rest[:MOST_HANDLES], rest[MOST_HANDLES:]
                message = {"do": "sockets", "id": record["id"], "sockets": [handle.described() for handle in first]}
                await self._say(message, first)
        finally:
            for handle in handles:
                os.close(handle.fd)

    async def add(self, container: str, handles: Sequence[Handle]) -> None:
        """More sockets for a container that it has."""
        try:
            message = {"do": "sockets", "id": container, "sockets": [handle.described() for handle in handles]}
            await self._say(message, handles)
        finally:
            for handle in handles:
                os.close(handle.fd)

    async def names(self, record: Mapping[str, Any]) -> None:
        """New names and networks of a container that it has; `address`: where its published ports lead now."""
        await self._say({"do": "names", **record})

    async def drop(self, containers: Sequence[str]) -> None:
        for first in range(0, len(containers), MOST_DROPPED):
            await self._say({"do": "drop", "ids": list(containers[first : first + MOST_DROPPED])})

    async def end(self) -> None:
        """Let it end: look-ups and held ports end with it."""
        if self._peer is None and not self._starting() and not self.left_behind():
            return
        with contextlib.suppress(StewardGone):
            await self._say({"do": "end"}, start=False)
        self.close()
        with anyio.move_on_after(END_SECONDS):
            while self._starting():  # noqa: ASYNC110  # the end of another process has no event of ours
                await anyio.sleep(0.005)

    async def _say(
        self, message: Mapping[str, Any], handles: Sequence[Handle] = (), *, start: bool = True
    ) -> dict[str, Any]:
        async with self._turn:
            if self._peer is None:
                self._peer = await self._connect(start=start)
            answer = await self._exchange(self._peer, message, handles)
        if "fault" in answer:
            raise SystemFailure(f"the name server's process refused a change: {answer['fault']}")
        return answer

    async def _exchange(
        self, peer: socket.socket, message: Mapping[str, Any], handles: Sequence[Handle]
    ) -> dict[str, Any]:
        """Once begun it is ended: an answer that nobody read would be taken for the next one's."""
        answer: dict[str, Any] = {}
        try:
            with anyio.CancelScope(shield=True), anyio.fail_after(ANSWER_SECONDS):
                send(peer, json.dumps(message).encode(), [handle.fd for handle in handles])
                await anyio.wait_readable(peer)
                text = peer.recv(LONGEST_MESSAGE)
                if not text:
                    raise ConnectionResetError("it hung up")
                answer = json.loads(text)
        except (OSError, TimeoutError, ValueError) as error:
            self.close()
            raise StewardGone(f"the name server's process is gone ({error}); see {self._folder}/steward.log") from error
        return answer

    async def _connect(self, *, start: bool) -> socket.socket:
        """To the one that runs; else to a new one. One of another format is ended first."""
        deadline = anyio.current_time() + START_SECONDS
        while True:
            peer = dial(self._folder / "steward.sock")
            if peer is not None:
                try:
                    answer = await self._exchange(peer, {"do": "list"}, ())
                except BaseException:
                    peer.close()
                    raise
                if answer.get("format") == FORMAT:
                    self.serving = answer.get("pid")
                    return peer
                peer.close()
                await end_process(answer.get("pid"))
            elif not self._starting():
                if not start:
                    raise StewardGone("the name server's process is not there")
                await anyio.to_thread.run_sync(self._spawn)
            if anyio.current_time() > deadline:
                raise StewardGone(f"the name server's process did not start; see {self._folder}/steward.log")
            await anyio.sleep(0.005)

    def _starting(self) -> bool:
        """Whether the one that we started has not ended yet."""
        if self._pid is None:
            return False
        try:
            ended, _ = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:
            ended = self._pid
        if ended:
            self._pid = None
        return self._pid is not None

    async def warm(self) -> None:
        """Have it started, and don't wait for it: it takes longer than a container."""
        if self._peer is None and not self._starting() and nobody_at(self._folder / "steward.sock"):
            await anyio.to_thread.run_sync(self._spawn)

    def _spawn(self) -> None:
        """A session of its own, nothing of ours inherited: a daemon that ends takes nothing of it along."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = os.open(self._folder / "steward.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        nowhere = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            command = [sys.executable, "-P", "-m", "engine.daemon.networks.steward", str(self._folder)]
            command = apart(command, self._places)
            self._pid = os.posix_spawn(
                command[0],
                command,
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, nowhere, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
            )
        finally:
            os.close(nowhere)
            os.close(log)


async def end_process(pid: object) -> None:
    """One that speaks another format: the one in its place is fed anew."""
    if isinstance(pid, int) and pid > 1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    await anyio.sleep(0.05)


def nobody_at(path: Path) -> bool:
    """Whether nobody listens there."""
    peer = dial(path)
    if peer is not None:
        peer.close()
    return peer is None


def dial(path: Path) -> socket.socket | None:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        peer.connect(str(path))
    except OSError:
        peer.close()
        return None
    peer.setblocking(False)
    return peer


def send(peer: socket.socket, text: bytes, handles: Sequence[int]) -> None:
    extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", handles))] if handles else []
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST_MESSAGE)
    peer.sendmsg([text], extra)
