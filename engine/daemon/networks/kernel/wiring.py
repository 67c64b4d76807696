"""A container's interfaces: veths from its namespace into bridges, addresses, routes, and the look-ups' sockets.

Blocking, one to two milliseconds; called in threads. What fails half-way is undone by `unplug`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.daemon.networks.ipam import Address, Subnet, read_address
from engine.daemon.networks.kernel import links, netns, nft
from engine.daemon.networks.kernel.netlink import Netlink, NetlinkError, Request
from engine.daemon.networks.rules import resolver_table

RESOLVER = "127.0.0.11"
LOOPBACK_INDEX = 1
TRIES = 16


@dataclass(frozen=True, slots=True)
class Wire:
    """One interface: `link` is the host's end, `interface` the container's."""

    link: str
    bridge: int
    interface: str
    mac: bytes
    mtu: int | None
    addresses: tuple[tuple[Address, Subnet], ...]
    group: int
    isolated: bool = False

    @property
    def ipv6(self) -> bool:
        return any(address.version == 6 for address, _ in self.addresses)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A default route: by which interface, to whom."""

    interface: str
    address: Address


@contextmanager
def opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def plug(namespace: Path, wires: Sequence[Wire], gateways: Sequence[Gateway]) -> None:
    """Give the namespace these interfaces, and its loopback; the default routes become `gateways`."""
    with opened(namespace) as there, Netlink() as host:
        host.do([new_pair(wire, there) for wire in wires])
        requests: list[Request] = []
        for wire in wires:
            found = links.find_link(host, wire.link)
            assert found is not None  # the kernel just acknowledged it
            requests += [links.no_link_local(found.index), links.set_up(found.index)]
            requests.append(links.set_port(found.index, isolated=wire.isolated))
        host.do(requests)
        with netns.inside(there):
            inner = Netlink()
        with inner:
            configure(inner, wires)
            route(inner, gateways)


def new_pair(wire: Wire, there: int) -> Request:
    return links.new_veth(
        wire.link,
        bridge=wire.bridge,
        netns=there,
        peer=wire.interface,
        mac=wire.mac,
        mtu=wire.mtu,
        group=wire.group,
    )


def configure(inner: Netlink, wires: Sequence[Wire]) -> None:
    requests = [links.set_up(LOOPBACK_INDEX)]
    for wire in wires:
        found = links.find_link(inner, wire.interface)
        assert found is not None  # the kernel just acknowledged it
        requests += [links.new_address(found.index, address, subnet) for address, subnet in wire.addresses]
        if not wire.ipv6:
            requests.append(links.no_link_local(found.index))
        requests.append(links.set_up(found.index))
    inner.do(requests)


def route(inner: Netlink, gateways: Sequence[Gateway]) -> None:
    """The default routes become these and no others."""
    requests = [links.no_default_route(version) for version in (4, 6)]
    for gateway in gateways:
        found = links.find_link(inner, gateway.interface)
        if found is not None:
            requests.append(links.default_route(found.index, gateway.address))
    inner.do(requests)


def reroute(namespace: Path, gateways: Sequence[Gateway]) -> None:
    with opened(namespace) as there:
        with netns.inside(there):
            inner = Netlink()
        with inner:
            route(inner, gateways)


def gateway(interface: str, address: str) -> Gateway:
    return Gateway(interface, read_address(address, "gateway"))


def unplug(names: Sequence[str]) -> None:
    """Delete links by the host's ends: tens of milliseconds each. One that is gone is no fault."""
    with Netlink() as host:
        found = [links.find_link(host, name) for name in names]
        host.do([links.delete_link(link.index) for link in found if link is not None])


def silence(names: Sequence[str]) -> None:
    """The same for a namespace that is about to close, at no cost: the ports go dumb now, and away with it."""
    with Netlink() as host:
        found = [links.find_link(host, name) for name in names]
        host.do([links.silence_port(link.index) for link in found if link is not None])


def open_resolver(namespace: Path, port: int) -> tuple[socket.socket, socket.socket, int]:
    """The UDP and TCP sockets behind 127.0.0.11:53 in the namespace, and the port they are bound to.

    `port` is tried first: the same one after a daemon's restart as before.
    """
    with opened(namespace) as there, netns.inside(there):
        for attempt in range(TRIES):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            try:
                udp.bind((RESOLVER, port))
                tcp.bind((RESOLVER, udp.getsockname()[1]))
                tcp.listen(128)
                lead_to(udp.getsockname()[1])
                return udp, tcp, udp.getsockname()[1]
            except OSError:
                udp.close()
                tcp.close()
                port = 0
                if attempt == TRIES - 1:
                    raise
            except BaseException:
                udp.close()
                tcp.close()
                raise
    raise AssertionError("the loop returns or raises")


def lead_to(port: int) -> None:
    try:
        nft.run(resolver_table(port))
    except nft.NftError:
        nft.run(resolver_table(port, anew=True))


def is_missing_bridge(error: NetlinkError) -> bool:
    """The bridge was taken away behind our back: its index names nothing now."""
    return error.errno in {19, 22}
