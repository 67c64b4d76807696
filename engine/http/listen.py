"""Where a server listens: a unix socket of its own making, or one that was handed over by a service manager.

Each connection is a task of its own. Called by the daemon and by registry servers.
"""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anyio

from engine.http.server import Handler, serve_connection
from engine.http.unix import UnixStream

BACKLOG = 1024
MOST_CONNECTIONS = 4096
# The first descriptor that systemd hands over (sd_listen_fds(3)).
FIRST_HANDED = 3


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


async def serve(listener: socket.socket, handler: Handler) -> None:
    """Accept until cancelled; cancelling ends the connections too."""
    room = anyio.Semaphore(MOST_CONNECTIONS)
    async with anyio.create_task_group() as tasks:
        while True:
            await room.acquire()
            try:
                raw = await accept(listener)
            except BaseException:
                room.release()
                raise
            tasks.start_soon(partial(serve_one, raw, handler, room))


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


async def serve_one(raw: socket.socket, handler: Handler, room: anyio.Semaphore) -> None:
    try:
        await serve_connection(UnixStream(raw), handler)
    finally:
        room.release()
