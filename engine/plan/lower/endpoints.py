"""Networks and volumes as bodies of the Engine API, and how a service's container is attached to its networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.graph.address import Address, Kind
from engine.plan.desired import DesiredNetwork, DesiredVolume
from engine.plan.lower.naming import COMPOSE, COMPOSE_VERSION, CONFIG_HASH, PROJECT
from specs.models import Network, NetworkAttachment, Project, Service, Volume
from specs.output import network_hash, volume_hash


def lower_network(project: Project, key: str, network: Network) -> DesiredNetwork:
    address, name = Address(Kind.NETWORK, key), network.name or key
    if network.external:
        return DesiredNetwork(address, name, external=True)
    body: dict[str, Any] = {
        "Name": name,
        "CheckDuplicate": True,
        "Driver": network.driver or "bridge",
        "Options": network.driver_opts or {},
        "Internal": bool(network.internal),
        "Attachable": bool(network.attachable),
        "EnableIPv6": bool(network.enable_ipv6),
        "Labels": network.labels or {},
    }
    if network.enable_ipv4 is not None:
        body["EnableIPv4"] = network.enable_ipv4
    if network.ipam.driver or network.ipam.config:
        body["IPAM"] = {
            "Driver": network.ipam.driver or "default",
            "Config": [
                drop_unset(
                    {
                        "Subnet": pool.subnet,
                        "Gateway": pool.gateway,
                        "IPRange": pool.ip_range,
                        "AuxiliaryAddresses": pool.aux_addresses,
                    }
                )
                for pool in network.ipam.config or ()
            ],
        }
    return DesiredNetwork(address, name, False, body)


def labelled_network(project: Project, desired: DesiredNetwork) -> DesiredNetwork:
    """With the tools' own labels: only what is created needs them, and Compose's config hash takes its time."""
    key = desired.address.name
    hashed = {CONFIG_HASH: network_hash(project, key)}
    return desired._replace(labels=object_labels(project, "network", key) | hashed)


def lower_volume(project: Project, key: str, volume: Volume) -> DesiredVolume:
    address, name = Address(Kind.VOLUME, key), volume.name or key
    if volume.external:
        return DesiredVolume(address, name, external=True)
    body = {
        "Name": name,
        "Driver": volume.driver or "local",
        "DriverOpts": volume.driver_opts or {},
        "Labels": volume.labels or {},
    }
    return DesiredVolume(address, name, False, body)


def labelled_volume(project: Project, desired: DesiredVolume) -> DesiredVolume:
    key = desired.address.name
    hashed = {CONFIG_HASH: volume_hash(project, key)}
    return desired._replace(labels=object_labels(project, "volume", key) | hashed)


def object_labels(project: Project, noun: str, key: str) -> dict[str, str]:
    return {PROJECT: project.name, f"{COMPOSE}{noun}": key, f"{COMPOSE}version": COMPOSE_VERSION}


def attachments(service: Service) -> list[tuple[str, NetworkAttachment | None]]:
    """The service's networks by key: highest priority first, then by name; the first is the primary one."""
    networks = service.networks or {}
    return sorted(networks.items(), key=lambda item: (-((item[1].priority if item[1] else 0) or 0), item[0]))


def endpoints(
    project: Project, key: str, service: Service, container: str, links: list[str]
) -> dict[str, dict[str, Any]]:
    """EndpointSettings by the engine's network name, the primary first; links go to the primary, as in Compose."""
    found: dict[str, dict[str, Any]] = {}
    for network_key, attachment in attachments(service):
        name = project.networks[network_key].name or network_key
        found[name] = endpoint(key, container, attachment)
    if links and found:
        next(iter(found.values()))["Links"] = links
    return found


def endpoint(key: str, container: str, attachment: NetworkAttachment | None) -> dict[str, Any]:
    settings: dict[str, Any] = {"Aliases": [container, key, *((attachment.aliases if attachment else None) or ())]}
    if attachment is None:
        return settings
    ipam = drop_unset(
        {
            "IPv4Address": attachment.ipv4_address,
            "IPv6Address": attachment.ipv6_address,
            "LinkLocalIPs": attachment.link_local_ips,
        }
    )
    driver_opts = dict(attachment.driver_opts or {})
    if attachment.interface_name:
        driver_opts["com.docker.network.endpoint.ifname"] = attachment.interface_name
    rest = {
        "IPAMConfig": ipam,
        "MacAddress": attachment.mac_address,
        "DriverOpts": driver_opts,
        "GwPriority": attachment.gw_priority,
    }
    return settings | drop_unset(rest)


def drop_unset(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without the keys that say nothing: None, empty maps and lists."""
    return {key: value for key, value in body.items() if value is not None and value != {} and value != []}
