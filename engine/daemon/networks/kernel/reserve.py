"""A published port's sockets on the host: bound, so that the port is ours and nobody else's; the steward keeps them.

A bind is the test whether a port is free, of other containers and of every other program, with no moment between.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from engine.api.errors import SystemFailure
from engine.daemon.networks.ports import ANY6, PortRequest, Published

BACKLOG = 4096
TRIES = 32
ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class PortTaken(Exception):
    """The bind failed: somebody has it."""

    def __init__(self, address: str, port: int, error: OSError) -> None:
        super().__init__(str(error))
        self.address, self.port, self.error = address, port, error


def reserve(requests: Sequence[PortRequest]) -> list[tuple[Published, socket.socket]]:
    """Bind them all, or none. Raises SystemFailure in Docker's words."""
    held: list[tuple[Published, socket.socket]] = []
    try:
        for request in requests:
            held += reserve_one(request)
    except BaseException:
        close(held)
        raise
    return held


def close(held: Sequence[tuple[Published, socket.socket]]) -> None:
    for _, bound in held:
        bound.close()


def reserve_one(request: PortRequest) -> list[tuple[Published, socket.socket]]:
    """The same port on each of its addresses: the one asked for, the first free one of a range, or any."""
    last: PortTaken | None = None
    for port in range(request.first, request.last + 1) if request.first else [0] * TRIES:
        try:
            return bind_all(request, port)
        except PortTaken as taken:
            last = taken
    assert last is not None  # there was one try at least
    raise SystemFailure(words(request, last))


def words(request: PortRequest, taken: PortTaken) -> str:
    where = f"[{taken.address}]" if ":" in taken.address else taken.address
    if taken.error.errno == errno.EADDRINUSE:
        if request.last > request.first:
            return f"Bind for {where}:{request.first}-{request.last} failed: all ports are allocated"
        return f"Bind for {where}:{taken.port} failed: port is already allocated"
    return f"failed to bind host port {where}:{taken.port}/{request.protocol}: {taken.error.strerror}"


def bind_all(request: PortRequest, port: int) -> list[tuple[Published, socket.socket]]:
    held: list[tuple[Published, socket.socket]] = []
    try:
        for address in request.addresses:
            try:
                bound = bind(address, port, request.protocol)
            except OSError as error:
                # A host without IPv6 has no :: to publish on; nobody asked for it by name.
                if address == ANY6 and len(request.addresses) > 1 and error.errno in ABSENT:
                    continue
                raise PortTaken(address, port, error) from error
            port = bound.getsockname()[1]
            held.append((Published(address, port, request.protocol, request.port), bound))
    except BaseException:
        close(held)
        raise
    return held


def bind(address: str, port: int, protocol: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    bound = socket.socket(family, kind | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            # Old connections don't hold the port; a listener does.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        if protocol == "tcp":
            bound.listen(BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound
