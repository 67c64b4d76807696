"""POST /networks/create: the request → a Network, or the fault in Docker's words. Pure: ids and the time are given.

`used` are the subnets that a new one must not touch: our networks', and the host's routes for unasked ones only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from itertools import chain
from typing import Any

from engine.api.errors import Forbidden, InvalidArgument, NotFound, NotImplementedByEngine, SystemFailure, Unavailable
from engine.daemon.networks.ipam import (
    Address,
    Subnet,
    choose_subnet,
    default_subnets,
    gateway_of,
    overlapping,
    read_address,
    read_subnet,
    unique_local_subnets,
)
from engine.daemon.networks.network import BRIDGE_NAME, ICC, MASQUERADE, MTU, PREDEFINED, Network, PoolRecord

LONGEST_INTERFACE_NAME = 15
BOOLEANS = (ICC, MASQUERADE)
ELSEWHERE = {"macvlan", "ipvlan"}
SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)
TEXT_MAPS = ("Options", "Labels")


def network_from(
    body: Mapping[str, Any],
    *,
    id: str,
    created: str,
    ours: Collection[Subnet],
    host: Collection[Subnet],
    seed: bytes,
    config_of: Callable[[str], Network | None],
) -> Network:
    """`ours`: our networks' subnets; `host`: the host's routes; `config_of`: a config-only network by name."""
    check_shape(body)
    name, driver = body["Name"], body.get("Driver") or "bridge"
    if source := (body.get("ConfigFrom") or {}).get("Network", ""):
        body = {**body, **configured(source, config_of(source), body)}
    options = {str(key): str(value) for key, value in (body.get("Options") or {}).items()}
    ipv4, ipv6 = body.get("EnableIPv4", True) is not False, bool(body.get("EnableIPv6"))
    config_only = bool(body.get("ConfigOnly"))
    if not config_only:
        check_driver(name, driver, body, options)
    ipam = body.get("IPAM") or {}
    check_ipam_driver(ipam)
    pools = [] if config_only else pools_from(ipam.get("Config") or [], ipv4, ipv6, ours, host, seed)
    return Network(
        id=id,
        name=name,
        driver="null" if config_only and not body.get("Driver") else driver,
        created=created,
        internal=bool(body.get("Internal")),
        attachable=bool(body.get("Attachable")),
        ipv4=ipv4,
        ipv6=ipv6 or any(":" in pool.subnet for pool in pools),
        ipam_driver=ipam.get("Driver") or "default",
        ipam_options=ipam.get("Options"),
        pools=tuple(pools) if not config_only else tuple(read_pools(ipam.get("Config") or [])),
        options=options,
        labels={str(key): str(value) for key, value in (body.get("Labels") or {}).items()},
        config_only=config_only,
        config_from=source,
        bridge=options.get(BRIDGE_NAME) or f"br-{id[:12]}",
    )


def check_shape(body: Mapping[str, Any]) -> None:
    """The types of what is read, and the name."""
    name = body.get("Name")
    if not isinstance(name, str) or not name.strip():
        raise InvalidArgument(f"invalid name: {name if isinstance(name, str) else ''}")
    if len(name) > 255 or any(ord(letter) < 32 for letter in name):
        raise InvalidArgument("invalid name: control characters, or more than 255 letters")
    for key in TEXT_MAPS:
        if not isinstance(body.get(key) or {}, dict):
            raise InvalidArgument(f"invalid {key}: it must be an object of names and texts")
        for text in (body.get(key) or {}).values():
            if not isinstance(text, str):
                raise InvalidArgument(f"invalid {key}: {text!r} is not a text")
    for key in ("Driver", "Scope"):
        if not isinstance(body.get(key) or "", str):
            raise InvalidArgument(f"invalid {key}: it must be a text")
    if name in PREDEFINED:
        raise Forbidden(f"operation is not permitted on predefined {name} network ")
    if not isinstance(body.get("ConfigFrom") or {}, dict) or not isinstance(body.get("IPAM") or {}, dict):
        raise InvalidArgument("invalid ConfigFrom or IPAM: they must be objects")
    if body.get("Ingress"):
        raise Forbidden("Ingress network can only be global scope network")
    if body.get("Scope") in {"swarm", "global"}:
        raise Forbidden("cannot create a swarm scoped network when swarm is not active")
    if body.get("Scope") not in {None, "", "local"}:
        raise Unavailable(SWARM)


def configured(source: str, config: Network | None, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a config-only network gives to one that names it."""
    if config is None or not config.config_only:
        raise NotFound(f"network {source} not found" if config is None else f"{source} is not a configuration network")
    if (body.get("IPAM") or {}).get("Config") or body.get("Options") or body.get("Internal") or body.get("EnableIPv6"):
        raise Forbidden(f"a network that takes its configuration from {source} can have none of its own")
    pools = [
        {"Subnet": pool.subnet, "Gateway": pool.gateway, "IPRange": pool.range, "AuxiliaryAddresses": pool.auxiliary}
        for pool in config.pools
    ]
    return {
        "IPAM": {"Driver": config.ipam_driver, "Config": pools, "Options": config.ipam_options},
        "Options": config.options,
        "Internal": config.internal,
        "EnableIPv6": config.ipv6,
        "Labels": {**config.labels, **(body.get("Labels") or {})},
    }


def check_driver(name: str, driver: str, body: Mapping[str, Any], options: Mapping[str, str]) -> None:
    if driver in {"host", "null"}:
        raise Forbidden(f'only one instance of "{driver}" network is allowed')
    if driver == "overlay":
        raise Unavailable(SWARM)
    if driver in ELSEWHERE:
        raise NotImplementedByEngine(f'network {name}: the driver "{driver}" is not served by this engine; use bridge')
    if driver != "bridge":
        raise NotFound(f'plugin "{driver}" not found')
    if (mtu := options.get(MTU)) is not None and not re.fullmatch(r"\d{1,5}", mtu, re.ASCII):
        raise InvalidArgument(f"failed to parse {MTU} value: {mtu} (it must be a whole number of bytes)")
    for option in BOOLEANS:
        if options.get(option, "true").lower() not in {"1", "t", "true", "0", "f", "false"}:
            raise InvalidArgument(f'failed to parse {option} value: {options[option]} (it must be "true" or "false")')
    bridge = options.get(BRIDGE_NAME, "")
    if len(bridge.encode()) > LONGEST_INTERFACE_NAME or re.search(r"[\s/:\"\\*]", bridge) or bridge in {".", ".."}:
        raise InvalidArgument(f"invalid {BRIDGE_NAME}: {bridge!r} can't name an interface (15 bytes, no / or space)")


def check_ipam_driver(ipam: Mapping[str, Any]) -> None:
    driver = ipam.get("Driver") or "default"
    if driver not in {"default", "null"}:
        raise NotFound(f'plugin "{driver}" not found')
    if not isinstance(ipam.get("Config") or [], list) or not isinstance(ipam.get("Options") or {}, dict):
        raise InvalidArgument("invalid IPAM: Config must be a list, Options an object")


def pools_from(
    config: list[Any], ipv4: bool, ipv6: bool, ours: Collection[Subnet], host: Collection[Subnet], seed: bytes
) -> list[PoolRecord]:
    """The pools of a bridge network: those that were said, and one of the defaults for a family without any."""
    said = read_pools(config)
    taken = list(ours)
    for pool in said:
        if overlapping(read_subnet(pool.subnet), taken) is not None:
            raise Forbidden("Pool overlaps with other one on this address space")
        taken.append(read_subnet(pool.subnet))
    families = {6 if ":" in pool.subnet else 4 for pool in said}
    if len(said) > len(families):
        raise Forbidden("bridge driver doesn't support multiple subnets")
    if not ipv4:
        if 4 in families:
            raise InvalidArgument("an IPv4 subnet was given to a network with IPv4 switched off")
        if not ipv6:
            raise InvalidArgument("IPv4 or IPv6 must be enabled")
    chosen: list[Subnet] = []
    if ipv4 and 4 not in families:
        chosen.append(choose_subnet(default_subnets(), [*taken, *host]))
    if ipv6 and 6 not in families:
        chosen.append(choose_subnet(unique_local_subnets(seed), [*taken, *host]))
    made = [PoolRecord(str(subnet), str(gateway_of(subnet, None, ()))) for subnet in chosen]
    return sorted(chain(said, made), key=lambda pool: ":" in pool.subnet)


def read_pools(config: list[Any]) -> list[PoolRecord]:
    return [read_pool(entry) for entry in config if entry]


def read_pool(entry: Any) -> PoolRecord:
    """One of IPAM.Config. Raises InvalidArgument, SystemFailure as Docker does for a gateway out of range."""
    if not isinstance(entry, dict):
        raise InvalidArgument("invalid IPAM: each entry of Config must be an object")
    subnet = read_subnet(str(entry.get("Subnet") or ""))
    range_ = read_subnet(str(entry["IPRange"]), "IPRange") if entry.get("IPRange") else None
    if range_ is not None and not within(range_, subnet):
        raise InvalidArgument(f"invalid ip-range {range_}: it is not within the subnet {subnet}")
    if not isinstance(entry.get("AuxiliaryAddresses") or {}, dict):
        raise InvalidArgument("invalid IPAM: AuxiliaryAddresses must be an object of names and addresses")
    auxiliary: dict[str, Address] = {}
    for name, text in (entry.get("AuxiliaryAddresses") or {}).items():
        auxiliary[str(name)] = inside(read_address(str(text), "auxiliary address"), subnet, "auxiliary address")
    if entry.get("Gateway"):
        gateway = inside(read_address(str(entry["Gateway"]), "gateway"), subnet, "gateway")
    else:
        gateway = gateway_of(subnet, range_, auxiliary.values())
    return PoolRecord(
        subnet=str(subnet),
        gateway=str(gateway),
        range=str(range_) if range_ is not None else "",
        auxiliary={name: str(address) for name, address in auxiliary.items()},
        said=True,
    )


def inside(address: Address, subnet: Subnet, what: str) -> Address:
    if address not in subnet:
        raise SystemFailure(f"failed to allocate {what} ({address}): Requested address is out of range of {subnet}")
    return address


def within(inner: Subnet, outer: Subnet) -> bool:
    return (
        inner.version == outer.version
        and int(outer.network_address) <= int(inner.network_address)
        and int(inner.broadcast_address) <= int(outer.broadcast_address)
    )
