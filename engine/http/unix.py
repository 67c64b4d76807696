"""A socket, unix or TCP, as a byte stream.

anyio's own (4.16) raises InvalidStateError into the event loop, a traceback on the user's terminal, when a receive is
cancelled in the moment in which bytes arrive: every Ctrl-C on a busy log is such a moment.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import ByteStream, SocketAttribute
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

# A full backlog refuses a non-blocking connect at once, and can't be waited for.
BACKLOG_TRIES, BACKLOG_SECONDS = 100, 0.02
FILE_PIECE = 4 << 20


async def connect_unix(path: str) -> UnixStream:
    """Raises OSError."""
    raw = socket.socket(socket.AF_UNIX)
    try:
        raw.setblocking(False)
        for _ in range(BACKLOG_TRIES):
            try:
                raw.connect(path)
            except BlockingIOError:
                await anyio.sleep(BACKLOG_SECONDS)
            else:
                return UnixStream(raw)
        raise TimeoutError("the engine takes no more connections")
    except BaseException:
        raw.close()
        raise


async def connect_tcp(host: str, port: int) -> UnixStream:
    """A raw socket to the first address that takes it: what is received costs half of a transport's. Raises OSError."""
    fault: OSError | None = None
    for family, kind, number, _, address in await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        raw = socket.socket(family, kind, number)
        try:
            raw.setblocking(False)
            if code := raw.connect_ex(address):
                if code != errno.EINPROGRESS:
                    raise OSError(code, os.strerror(code))
                await anyio.wait_writable(raw)
                if code := raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(code, os.strerror(code))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return UnixStream(raw)
        except OSError as error:
            raw.close()
            fault = error
        except BaseException:
            raw.close()
            raise
    raise fault or OSError(errno.EADDRNOTAVAIL, f"{host} has no address")


class UnixStream(ByteStream):
    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {SocketAttribute.raw_socket: lambda: self._raw}

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await checkpoint()
        while True:
            try:
                piece = self._raw.recv(max_bytes)
            except BlockingIOError:
                await anyio.wait_readable(self._raw)
            except OSError as error:
                raise self._lost() from error
            else:
                if not piece:
                    raise anyio.EndOfStream
                return piece

    async def send(self, item: bytes) -> None:
        await checkpoint_if_cancelled()
        left = memoryview(item)
        while left:
            try:
                left = left[self._raw.send(left) :]
            except BlockingIOError:
                await anyio.wait_writable(self._raw)
            except OSError as error:
                raise self._lost() from error

    async def send_file(self, handle: int, offset: int, length: int) -> None:
        """A part of an open file, from the page cache into the socket; in a thread, since it may have to be read."""
        while length:
            sent = await to_thread.run_sync(self._push_file, handle, offset, min(length, FILE_PIECE))
            if sent is None:
                await anyio.wait_writable(self._raw)
            else:
                offset, length = offset + sent, length - sent

    def _push_file(self, handle: int, offset: int, length: int) -> int | None:
        """None: the socket takes no more now."""
        try:
            sent = os.sendfile(self._raw.fileno(), handle, offset, length)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._lost() from error
        if not sent:
            raise anyio.BrokenResourceError from EOFError("the file is shorter than it was")
        return sent

    def _lost(self) -> Exception:
        return anyio.ClosedResourceError() if self._raw.fileno() < 0 else anyio.BrokenResourceError()

    async def send_eof(self) -> None:
        self._raw.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        if self._raw.fileno() >= 0:
            anyio.notify_closing(self._raw)
            self._raw.close()
