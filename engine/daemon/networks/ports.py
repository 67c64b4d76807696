"""Published ports: what a container asked for, and what inspect shows of what it got. Pure.

`PortBindings` speaks of container ports ("80/tcp"), each with host addresses and ports, a range, or none at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from engine.api.errors import InvalidArgument

PROTOCOLS = {"tcp", "udp"}
ANY4, ANY6 = "0.0.0.0", "::"


@dataclass(frozen=True, slots=True)
class PortRequest:
    """One binding. `addresses`: all of them get the same host port. `first`..`last` 0: any free port."""

    port: int
    protocol: str
    addresses: tuple[str, ...]
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Published:
    """A host address and port that leads to a container's port."""

    address: str
    host_port: int
    protocol: str
    port: int


def read_port(text: str) -> tuple[int, str]:
    """ "80/tcp" → (80, "tcp"). Raises InvalidArgument."""
    number, _, protocol = text.partition("/")
    protocol = (protocol or "tcp").lower()
    if not re.fullmatch(r"\d{1,5}", number, re.ASCII) or not 1 <= int(number) <= 65535:
        raise InvalidArgument(f"invalid port specification: {text!r} (such as 80/tcp)")
    if protocol == "sctp":
        raise InvalidArgument(f"invalid port specification: {text!r}: this engine publishes tcp and udp, not sctp")
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    return int(number), protocol


def requests_of(
    bindings: Mapping[str, Sequence[Mapping[str, str]] | None],
    exposed: Collection[str],
    publish_all: bool,
    default_address: str = "",
) -> list[PortRequest]:
    """Every binding, `exposed` too when all are published. Fixed ports come first: a random one must not take them."""
    wanted: list[PortRequest] = []
    for text, places in bindings.items():
        port, protocol = read_port(text)
        for place in places or [{}]:
            wanted.append(request_of(port, protocol, place, default_address))
    if publish_all:
        asked = {(request.port, request.protocol) for request in wanted}
        for text in sorted(exposed):
            port, protocol = read_port(text)
            if (port, protocol) not in asked:
                wanted.append(request_of(port, protocol, {}, default_address))
    return sorted(wanted, key=lambda request: (request.first == 0, request.first != request.last))


def request_of(port: int, protocol: str, place: Mapping[str, str], default_address: str) -> PortRequest:
    first, last = read_host_port(place.get("HostPort") or "")
    return PortRequest(port, protocol, addresses_of(place.get("HostIp") or default_address), first, last)


def addresses_of(text: str) -> tuple[str, ...]:
    """None said: every address of both families. Raises InvalidArgument."""
    if not text:
        return (ANY4, ANY6)
    try:
        return (str(ip_address(text.strip("[]"))),)
    except ValueError as error:
        raise InvalidArgument(f"invalid IP address {text!r} to publish a port on") from error


def read_host_port(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not text or text == "0":
        return 0, 0
    if not all(re.fullmatch(r"\d{1,5}", part, re.ASCII) for part in ([first, last] if dash else [first])):
        raise InvalidArgument(f"invalid port specification: {text!r} (such as 8080 or 8000-8010)")
    low, high = int(first), int(last if dash else first)
    if not 0 < low <= high <= 65535:
        raise InvalidArgument(f"invalid port specification: {text!r} (ports go from 1 to 65535)")
    return low, high


def shown(published: Iterable[Published], exposed: Collection[str]) -> dict[str, list[dict[str, str]] | None]:
    """NetworkSettings.Ports: exposed ports that are not published are there with null."""
    ports: dict[str, list[dict[str, str]] | None] = {}
    for text in exposed:
        number, _, protocol = text.partition("/")
        ports[f"{number}/{protocol or 'tcp'}"] = None
    for one in published:
        key = f"{one.port}/{one.protocol}"
        places = ports.get(key) or []
        ports[key] = [*places, {"HostIp": one.address, "HostPort": str(one.host_port)}]
    return ports
