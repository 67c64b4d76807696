"""Where a server listens: a unix or TCP socket of its own making, or one that a service manager handed over.

Each connection is a task of its own. Called by the daemon and by registry servers.
"""

from __future__ import annotations

import errno
import grp
import os
import socket
import ssl
import stat
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anyio

from engine.http.connection import LOST
from engine.http.server import REST_SECONDS, Handler, serve_connection
from engine.http.tls import TlsStream
from engine.http.unix import UnixStream

BACKLOG = 1024
MOST_CONNECTIONS = 4096
# The first descriptor that systemd hands over (sd_listen_fds(3)).
FIRST_HANDED = 3
HANDSHAKE_SECONDS = 10.0


class AddressInUse(OSError):
    """Another server answers at the path."""


def bind_unix(path: Path, *, group: str | None = None, mode: int = 0o660) -> socket.socket:
    """A listening socket at `path`, of the group where it exists. A dead one's file is replaced. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_alive(path):
        raise AddressInUse(errno.EADDRINUSE, "another engine listens there", str(path))
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        before = os.umask(0o777 & ~mode)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        if group is not None:
            give_to_group(path, group)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def bind_tcp(host: str, port: int) -> socket.socket:
    """A listening TCP socket; an empty host is every address of the machine, port 0 any free one. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if not host else 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def is_alive(path: Path) -> bool:
    """Whether a server answers there. Raises FileExistsError for a file that is no socket: it isn't ours to replace."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise FileExistsError(errno.EEXIST, "it exists and is not a socket", str(path))
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except TimeoutError:
        return True
    return True


def give_to_group(path: Path, group: str) -> None:
    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        return
    os.chown(path, -1, number)


def handed_over(environment: Mapping[str, str]) -> list[socket.socket]:
    """The listening sockets of a systemd socket unit, none where there is none."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return []
    handles = range(FIRST_HANDED, FIRST_HANDED + int(environment.get("LISTEN_FDS", "0")))
    listeners = [socket.socket(fileno=handle) for handle in handles]
    for listener in listeners:
        listener.setblocking(False)
        os.set_inheritable(listener.fileno(), False)
    return listeners


async def serve(
    listener: socket.socket,
    handler: Handler,
    *,
    tls: ssl.SSLContext | None = None,
    most_connections: int = MOST_CONNECTIONS,
    rest_seconds: float = REST_SECONDS,
) -> None:
    """Accept until cancelled; cancelling ends the connections too. One that rests for so long is hung up on."""
    room = anyio.Semaphore(most_connections)
    async with anyio.create_task_group() as tasks:
        while True:
            await room.acquire()
            try:
                raw = await accept(listener)
            except BaseException:
                room.release()
                raise
            tasks.start_soon(partial(serve_one, raw, handler, room, tls, rest_seconds))


async def accept(listener: socket.socket) -> socket.socket:
    while True:
        try:
            raw, _ = listener.accept()
        except BlockingIOError:
            await anyio.wait_readable(listener)
        except OSError as error:
            # no descriptor left, or a client that went away in between: others must still be served
            if error.errno not in {errno.EMFILE, errno.ENFILE, errno.ECONNABORTED, errno.ENOMEM, errno.ENOBUFS}:
                raise
            await anyio.sleep(0.05)
        else:
            raw.setblocking(False)
            return raw


async def serve_one(
    raw: socket.socket, handler: Handler, room: anyio.Semaphore, tls: ssl.SSLContext | None, rest_seconds: float
) -> None:
    try:
        stream = UnixStream(raw)
        if raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is None:
            await serve_connection(stream, handler, rest_seconds)
        elif (secured := await shaken_hands(stream, tls)) is not None:
            await serve_connection(secured, handler, rest_seconds)
    finally:
        room.release()


async def shaken_hands(stream: UnixStream, tls: ssl.SSLContext) -> TlsStream | None:
    """None when the client speaks no TLS that fits, or none in time: it has been hung up on."""
    secured = TlsStream(stream, tls, None)
    try:
        with anyio.fail_after(HANDSHAKE_SECONDS):
            await secured.handshake()
    except (ssl.SSLError, TimeoutError, *LOST):
        await stream.aclose()
        return None
    return secured
