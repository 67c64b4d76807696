"""Which address an endpoint gets, and which subnet a network: pure, the kernel is never asked.

A pool hands out the lowest free address. It never gives the network's own, the broadcast, the gateway's or an
auxiliary address. Called by `networks.room` and `networks.create`.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from engine.api.errors import Forbidden, InvalidArgument, NotFound, SystemFailure

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network


class Pool:
    """One subnet's addresses. `range` narrows what is handed out unasked; a fixed address may be anywhere in it."""

    def __init__(
        self,
        subnet: Subnet,
        *,
        range: Subnet | None = None,
        gateway: Address | None = None,
        auxiliary: Collection[Address] = (),
    ) -> None:
        self.subnet = subnet
        self.gateway = gateway
        self._taken: set[int] = {int(address) for address in auxiliary}
        if gateway is not None:
            self._taken.add(int(gateway))
        within = range or subnet
        self._next = max(int(within.network_address), first_usable(subnet))
        self._last = min(int(within.broadcast_address), last_usable(subnet))
        self._first = self._next
        # Addresses below `_next` that came back: `_next` only grows.
        self._returned: list[int] = []

    def allocate(self, wanted: Address | None = None) -> Address | None:
        """`wanted`, or the lowest free address; None when all are taken. Raises Forbidden when `wanted` is taken."""
        if wanted is not None:
            return self._claim(wanted)
        while self._returned:
            number = heapq.heappop(self._returned)
            if number not in self._taken:
                return self._take(number)
        while self._next <= self._last:
            number = self._next
            self._next += 1
            if number not in self._taken:
                return self._take(number)
        return None

    def _claim(self, wanted: Address) -> Address:
        number = int(wanted)
        if number in self._taken or not first_usable(self.subnet) <= number <= last_usable(self.subnet):
            raise Forbidden("Address already in use")
        return self._take(number)

    def _take(self, number: int) -> Address:
        self._taken.add(number)
        return IPv4Address(number) if self.subnet.version == 4 else IPv6Address(number)

    def release(self, address: Address) -> None:
        """Free an address that `allocate` gave; one that is free already is no fault."""
        number = int(address)
        if number not in self._taken or address == self.gateway:
            return
        self._taken.discard(number)
        if self._first <= number < self._next:
            heapq.heappush(self._returned, number)


def first_usable(subnet: Subnet) -> int:
    """The network's own address is skipped, but in a subnet too small to have one (/31, /32, /127, /128)."""
    return int(subnet.network_address) + (1 if subnet.num_addresses > 2 else 0)


def last_usable(subnet: Subnet) -> int:
    has_broadcast = subnet.version == 4 and subnet.num_addresses > 2
    return int(subnet.broadcast_address) - (1 if has_broadcast else 0)


def allocate(pools: Iterable[Pool], wanted: Address | None, version: int, network: str) -> tuple[Address, Pool]:
    """An address of one of the pools of that IP version. `network` is for the message.

    Raises InvalidArgument for an address outside them all, Forbidden for one in use, SystemFailure when none is free.
    """
    fitting = [pool for pool in pools if pool.subnet.version == version]
    if wanted is not None:
        pool = next((pool for pool in fitting if wanted in pool.subnet), None)
        if pool is None:
            raise InvalidArgument(f"Invalid address {wanted}: It does not belong to any of this network's subnets")
        found = pool.allocate(wanted)
        assert found is not None  # a claim gives the address or raises
        return found, pool
    for pool in fitting:
        if (found := pool.allocate()) is not None:
            return found, pool
    raise SystemFailure(f"no available IPv{version} addresses on this network's address pools: {network}")


# --- subnets for networks that name none ---------------------------------------------------------------------------
def default_subnets() -> Iterator[IPv4Network]:
    """Docker's: 172.17.0.0/16 … 172.31.0.0/16, then 192.168.0.0/16 in pieces of /20."""
    for second in range(17, 32):
        yield IPv4Network(f"172.{second}.0.0/16")
    yield from IPv4Network("192.168.0.0/16").subnets(new_prefix=20)


def unique_local_subnets(seed: bytes) -> Iterator[IPv6Network]:
    """The /64s of one /48 below fd00::/8 whose 40 bits are `seed`'s first (RFC 4193, section 3.1)."""
    base = int.from_bytes(b"\xfd" + seed[:5].ljust(5, b"\0") + bytes(10), "big")
    for number in range(1 << 16):
        yield IPv6Network((base | number << 64, 64))


def choose_subnet(candidates: Iterable[Subnet], used: Collection[Subnet]) -> Subnet:
    """The first candidate that overlaps nothing in use: our networks and the host's routes. Raises NotFound."""
    for candidate in candidates:
        if not overlapping(candidate, used):
            return candidate
    raise NotFound(
        "could not find an available, non-overlapping address pool among the defaults to assign to the network: "
        "remove unused networks, or give this one a subnet"
    )


def overlapping(subnet: Subnet, used: Iterable[Subnet]) -> Subnet | None:
    """The first of `used` that shares an address with `subnet`."""
    for other in used:
        if isinstance(subnet, IPv4Network) and isinstance(other, IPv4Network) and subnet.overlaps(other):
            return other
        if isinstance(subnet, IPv6Network) and isinstance(other, IPv6Network) and subnet.overlaps(other):
            return other
    return None


# --- what users write -----------------------------------------------------------------------------------------------
def read_subnet(text: str, what: str = "subnet") -> Subnet:
    """Host bits are dropped, as Docker does. Raises InvalidArgument."""
    try:
        if "/" not in text:
            raise ValueError("no prefix length")
        return ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidArgument(f"invalid {what} {text}: invalid CIDR block notation (such as 10.1.0.0/24)") from error


def read_address(text: str, what: str) -> Address:
    """Raises InvalidArgument."""
    try:
        return ip_address(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid {what}: {text!r} is not an IP address") from error


def gateway_of(subnet: Subnet, range: Subnet | None, auxiliary: Collection[Address]) -> Address:
    """The lowest address that a gateway may have: of the range if there is one, else of the subnet."""
    within = range or subnet
    number = max(int(within.network_address), first_usable(subnet))
    reserved = {int(address) for address in auxiliary}
    while number in reserved:
        number += 1
    if number > min(int(within.broadcast_address), last_usable(subnet)):
        raise InvalidArgument(f"invalid subnet {subnet}: it has no address left for a gateway")
    return IPv4Address(number) if subnet.version == 4 else IPv6Address(number)
