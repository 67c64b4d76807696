"""What a container will have in its networks, decided before anything is done: addresses, names, MACs, interfaces.

Addresses are claimed from the catalog's pools here; whoever plans gives them back when the plan fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from engine.api.errors import Forbidden, InvalidArgument
from engine.api.networks import EndpointSettings
from engine.daemon.networks.catalog import Catalog
from engine.daemon.networks.endpoint import (
    Endpoint,
    Placement,
    asked_address,
    check_settings,
    links_of,
    mac_of,
    mac_text,
    names_in,
    read_mac,
)
from engine.daemon.networks.ipam import Address, Pool, allocate
from engine.daemon.networks.network import INTERFACE_PREFIX, Network
from engine.daemon.protocols import Attachment

INTERFACE_NAME = "com.docker.network.endpoint.ifname"
HOST_STAYS = "container cannot be disconnected from host network or connected to host network"
EPHEMERAL_FIRST, EPHEMERAL_COUNT = 33000, 27000


def plan(catalog: Catalog, attachment: Attachment, netns: str, random: Callable[[int], bytes]) -> Placement:
    """Every endpoint that the attachment names. Raises NotFound, InvalidArgument, Forbidden, SystemFailure."""
    placement = Placement(attachment, netns)
    try:
        for reference, settings in attachment.endpoints.items():
            first = not placement.endpoints
            placement = plan_one(catalog, placement, reference, settings, random, first=first)
    except BaseException:
        give_back(catalog, placement.endpoints)
        raise
    return placement


def plan_one(
    catalog: Catalog,
    placement: Placement,
    reference: str,
    settings: EndpointSettings,
    random: Callable[[int], bytes],
    *,
    first: bool = False,
) -> Placement:
    """The placement with one endpoint more. Raises Forbidden when it is in that network already."""
    network = catalog.get(reference)
    check_settings(network, settings or {})
    if placement.in_network(network.id) is not None:
        name = placement.attachment.name
        raise Forbidden(f"endpoint with name {name} already exists in network {network.name}")
    taken = {endpoint.interface for endpoint in placement.endpoints}
    endpoint = plan_endpoint(catalog, network, placement.attachment, settings or {}, taken, random, first=first)
    after = replace(placement, endpoints=(*placement.endpoints, endpoint))
    if after.resolver_port == 0 and network.user_defined:
        # The same for a container through all its days, as its id is.
        number = EPHEMERAL_FIRST + int.from_bytes(random(4), "big") % EPHEMERAL_COUNT
        after = replace(after, resolver_port=number)
    return after


def check_company(catalog: Catalog, attachment: Attachment, joining: Network) -> None:
    """Which networks go together, in Docker's words. Raises InvalidArgument."""
    if joining.driver == "host":
        raise InvalidArgument(HOST_STAYS)
    others = [catalog.find(reference) for reference in attachment.endpoints]
    for other in others:
        if other is None or other.id == joining.id:
            continue
        if other.driver == "host":
            raise InvalidArgument(
                "container sharing network namespace with another container or host "
                "cannot be connected to any other network"
            )
        if "null" in {other.driver, joining.driver}:
            raise InvalidArgument(
                "container cannot be connected to multiple networks with one of the networks in private (none) mode"
            )


def plan_endpoint(
    catalog: Catalog,
    network: Network,
    attachment: Attachment,
    settings: EndpointSettings,
    taken: Collection[str],
    random: Callable[[int], bytes],
    *,
    first: bool,
) -> Endpoint:
    id = random(32).hex()
    bare = Endpoint(id, network.id, network.name, settings, names=names_in(network, attachment, settings))
    if not network.is_bridge:
        return bare
    families = [version for version, on in ((4, network.ipv4), (6, network.ipv6)) if on]
    claimed: dict[int, tuple[Address, Pool]] = {}
    try:
        for version in families:
            wanted = asked_address(settings, version)
            claimed[version] = allocate(catalog.pools(network), wanted, version, f"{network.name} ({network.id})")
    except BaseException:
        for address, pool in claimed.values():
            pool.release(address)
        raise
    four, six = claimed.get(4), claimed.get(6)
    asked_mac = read_mac(settings.get("MacAddress") or (attachment.mac_address if first else ""))
    return replace(
        bare,
        interface=interface_name(network, settings, taken),
        link=f"veth{id[:9]}",
        mac=mac_text(asked_mac or mac_of(four[0] if four else None, random(4))),
        ipv4=str(four[0]) if four else "",
        ipv4_bits=four[1].subnet.prefixlen if four else 0,
        ipv6=str(six[0]) if six else "",
        ipv6_bits=six[1].subnet.prefixlen if six else 0,
        gateway4=gateway_text(network, four),
        gateway6=gateway_text(network, six),
        internal=network.internal,
    )


def gateway_text(network: Network, claimed: tuple[Address, Pool] | None) -> str:
    """Internal networks have no way out, so no gateway."""
    if claimed is None or network.internal or claimed[1].gateway is None:
        return ""
    return str(claimed[1].gateway)


def interface_name(network: Network, settings: EndpointSettings, taken: Collection[str]) -> str:
    wanted = (settings.get("DriverOpts") or {}).get(INTERFACE_NAME, "")
    if wanted and wanted not in taken:
        return wanted
    prefix = network.options.get(INTERFACE_PREFIX) or "eth"
    number = 0
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"


def give_back(catalog: Catalog, endpoints: Collection[Endpoint]) -> None:
    for endpoint in endpoints:
        catalog.release(endpoint.network, endpoint.addresses)


def renamed(catalog: Catalog, placement: Placement, name: str) -> Placement:
    """The same places under another name of the container's."""
    attachment = replace(placement.attachment, name=name)
    endpoints = []
    for endpoint in placement.endpoints:
        network = catalog.find(endpoint.network)
        names = names_in(network, attachment, endpoint.asked) if network is not None else ()
        endpoints.append(replace(endpoint, names=names))
    return replace(placement, attachment=attachment, endpoints=tuple(endpoints))


def linked(placement: Placement, links: Sequence[str]) -> Placement:
    """The same places with these links of the default bridge's."""
    return replace(placement, attachment=replace(placement.attachment, links=tuple(links)))


def steward_record(catalog: Catalog, placement: Placement) -> dict[str, object]:
    """What the steward must know of it: zone.resident_of reads this."""
    attachment = placement.attachment
    members = []
    for endpoint in placement.endpoints:
        network = catalog.find(endpoint.network)
        if network is not None and network.user_defined:
            members.append(
                {
                    "network": endpoint.network,
                    "network_name": endpoint.network_name,
                    "names": list(endpoint.names),
                    "addresses": list(endpoint.addresses),
                }
            )
    bridged = [endpoint for endpoint in placement.endpoints if endpoint.link]
    return {
        "id": placement.container,
        "members": members,
        "links": links_of(placement.endpoints),
        "upstreams": list(attachment.dns) or None,
        "forwards": any(not endpoint.internal for endpoint in bridged),
        "single_labels_stay": any(is_ndots(option) for option in attachment.dns_options),
        "address": placement.target(),
    }


def is_ndots(option: str) -> bool:
    name, _, number = option.partition(":")
    return name == "ndots" and number.isdecimal() and int(number) > 0
