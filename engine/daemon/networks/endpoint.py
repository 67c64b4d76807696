"""A container's place in a network as a value, and all its places together. Pure; kept as JSON while it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_address
from typing import Any, cast

from engine.api.errors import InvalidArgument
from engine.api.networks import EndpointSettings
from engine.daemon.networks.ipam import Address
from engine.daemon.networks.network import Network
from engine.daemon.networks.ports import Published, shown
from engine.daemon.networks.rules import Forward
from engine.daemon.protocols import Attached, Attachment

SHORT = 12


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`asked` is what create or connect said. Addresses and link are empty in the networks host and none."""

    id: str
    network: str
    network_name: str
    asked: EndpointSettings
    interface: str = ""
    link: str = ""
    mac: str = ""
    ipv4: str = ""
    ipv4_bits: int = 0
    ipv6: str = ""
    ipv6_bits: int = 0
    gateway4: str = ""
    gateway6: str = ""
    # Names that others find it by; none in the default bridge.
    names: tuple[str, ...] = ()
    internal: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(address for address in (self.ipv4, self.ipv6) if address)


@dataclass(frozen=True, slots=True)
class Placement:
    """What a running container has. `resolver_port` 0: no name server of its own."""

    attachment: Attachment
    netns: str
    endpoints: tuple[Endpoint, ...] = ()
    published: tuple[Published, ...] = ()
    resolver_port: int = 0
    files: Mapping[str, bytes] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def container(self) -> str:
        return self.attachment.container

    def in_network(self, network: str) -> Endpoint | None:
        return next((endpoint for endpoint in self.endpoints if endpoint.network == network), None)

    def without(self, network: str) -> Placement:
        return replace(self, endpoints=tuple(one for one in self.endpoints if one.network != network))

    def way_out(self, version: int) -> Endpoint | None:
        """The endpoint with the default route: the highest GwPriority, then the first by the network's name."""
        ways = [
            endpoint
            for endpoint in self.endpoints
            if not endpoint.internal and (endpoint.gateway4 if version == 4 else endpoint.gateway6)
        ]
        return min(ways, key=lambda way: (-int(way.asked.get("GwPriority") or 0), way.network_name), default=None)

    def forwards(self) -> list[Forward]:
        """Where its published ports lead: to the networks that have a way out, as internal ones publish nothing."""
        four, six = self.way_out(4), self.way_out(6)
        ipv4, ipv6 = four.ipv4 if four is not None else "", six.ipv6 if six is not None else ""
        return [Forward(one, ipv4, ipv6) for one in self.published if ipv4 or ipv6]

    def target(self) -> str:
        """The address that the steward's proxies connect to."""
        way = self.way_out(4) or self.way_out(6)
        return (way.ipv4 or way.ipv6) if way is not None else ""

    def attached(self) -> Attached:
        return Attached(
            {endpoint.network_name: settings_of(endpoint) for endpoint in self.endpoints},
            shown(self.published, exposed_of(self.attachment)),
            self.files,
            self.warnings,
        )


def exposed_of(attachment: Attachment) -> Collection[str]:
    return sorted({*attachment.exposed, *attachment.bindings})


def settings_of(endpoint: Endpoint) -> EndpointSettings:
    """As inspect shows it under NetworkSettings.Networks."""
    asked = endpoint.asked
    return {
        "IPAMConfig": asked.get("IPAMConfig"),
        "Links": asked.get("Links"),
        "Aliases": asked.get("Aliases"),
        "MacAddress": endpoint.mac,
        "DriverOpts": asked.get("DriverOpts"),
        "GwPriority": int(asked.get("GwPriority") or 0),
        "NetworkID": endpoint.network,
        "EndpointID": endpoint.id,
        "Gateway": endpoint.gateway4,
        "IPAddress": endpoint.ipv4,
        "IPPrefixLen": endpoint.ipv4_bits,
        "IPv6Gateway": endpoint.gateway6,
        "GlobalIPv6Address": endpoint.ipv6,
        "GlobalIPv6PrefixLen": endpoint.ipv6_bits,
        "DNSNames": list(endpoint.names) or None,
    }


# --- what was asked --------------------------------------------------------------------------------------------------
def asked_address(settings: EndpointSettings, version: int) -> Address | None:
    """The fixed address of one family. Raises InvalidArgument for a text that is none, or of the other family."""
    ipam = settings.get("IPAMConfig") or {}
    text = ipam.get("IPv4Address" if version == 4 else "IPv6Address") or ""
    if not text:
        return None
    try:
        found = ip_address(str(text))
    except ValueError:
        found = None
    if found is None or found.version != version:
        raise InvalidArgument(f"invalid IPv{version} address: {text}")
    return found


def check_settings(network: Network, settings: EndpointSettings) -> None:
    """What Docker refuses before anything starts. Raises InvalidArgument."""
    if not isinstance(settings, dict):
        raise InvalidArgument(f"invalid endpoint settings for network {network.name}: they must be an object")
    for key in ("Aliases", "Links"):
        if not all(isinstance(text, str) for text in cast(dict[str, Any], settings).get(key) or []):
            raise InvalidArgument(f"invalid {key} for network {network.name}: they must be texts")
    fixed = [asked_address(settings, version) for version in (4, 6)]
    if network.config_only:
        raise InvalidArgument(f"cannot connect a container to the configuration network {network.name}")
    if any(fixed) and not network.user_defined:
        raise InvalidArgument("user specified IP address is supported on user defined networks only")
    for address in filter(None, fixed):
        said = [pool for pool, subnet in zip(network.pools, network.subnets, strict=True) if pool.said]
        if not any((":" in pool.subnet) == (address.version == 6) for pool in said):
            raise InvalidArgument(
                "user specified IP address is supported only when connecting to networks with user configured subnets"
            )
        if not any(address in subnet for subnet in network.subnets):
            raise InvalidArgument(f"Invalid address {address}: It does not belong to any of this network's subnets")
    if settings.get("Aliases") and not network.user_defined:
        raise InvalidArgument("network-scoped alias is supported only for containers in user defined networks")
    read_mac(settings.get("MacAddress") or "")


def read_mac(text: str) -> bytes | None:
    """None for none. Raises InvalidArgument."""
    if not text:
        return None
    parts = text.replace("-", ":").split(":")
    try:
        found = bytes(int(part, 16) for part in parts if len(part) <= 2)
    except ValueError:
        found = b""
    if len(found) != 6 or found[0] & 1:
        raise InvalidArgument(f"invalid MAC address: {text} (such as 02:42:ac:11:00:02)")
    return found


def mac_of(address: Address | None, random: bytes) -> bytes:
    """Docker's 02:42 and the IPv4 address: whoever has the address next has the MAC that neighbours remember."""
    return b"\x02\x42" + (address.packed if address is not None and address.version == 4 else random[:4])


def mac_text(mac: bytes) -> str:
    return mac.hex(":")


def names_in(network: Network, attachment: Attachment, settings: EndpointSettings) -> tuple[str, ...]:
    """Name, aliases, short id, host name, each once; Docker's DNSNames."""
    if not network.user_defined:
        return ()
    candidates = [attachment.name, *(settings.get("Aliases") or []), attachment.container[:SHORT], attachment.hostname]
    return tuple(dict.fromkeys(name for name in candidates if name))


def links_of(endpoints: Sequence[Endpoint]) -> dict[str, str]:
    """Alias → name of the containers linked in user-defined networks ("other:alias")."""
    found = {}
    for endpoint in endpoints:
        for link in endpoint.asked.get("Links") or []:
            name, _, alias = link.partition(":")
            name = name.rpartition("/")[2]
            found[alias.rpartition("/")[2] or name] = name
    return found


# --- its record ----------------------------------------------------------------------------------------------------
def record_of(placement: Placement) -> dict[str, Any]:
    record = shallow(placement)
    record["attachment"] = shallow(placement.attachment)
    record["endpoints"] = [shallow(one) for one in placement.endpoints]
    record["published"] = [shallow(one) for one in placement.published]
    record["files"] = {name: content.decode("latin-1") for name, content in placement.files.items()}
    record["attachment"]["exposed"] = sorted(placement.attachment.exposed)
    return record


def shallow(value: Any) -> dict[str, Any]:
    """A dataclass' fields, as they are: `asdict` would copy all that is in them too."""
    return {one.name: getattr(value, one.name) for one in fields(value)}


def placement_of(record: Mapping[str, Any]) -> Placement:
    """Raises KeyError, TypeError, ValueError for a record that is none."""
    endpoints = tuple(Endpoint(**{**one, "names": tuple(one["names"])}) for one in record["endpoints"])
    return Placement(
        Attachment(**record["attachment"]),
        record["netns"],
        endpoints,
        tuple(Published(**one) for one in record["published"]),
        record["resolver_port"],
        {name: text.encode("latin-1") for name, text in record["files"].items()},
        tuple(record["warnings"]),
    )
