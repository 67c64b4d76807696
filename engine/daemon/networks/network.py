"""A network as a value: what create made of the request, kept in the store, shown by inspect. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.api.networks import IPAM, IPAMPool, NetworkContainer, NetworkInspect
from engine.daemon.networks.ipam import Address, Pool, Subnet, read_address, read_subnet

BRIDGE_NAME = "com.docker.network.bridge.name"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
ICC = "com.docker.network.bridge.enable_icc"
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
DEFAULT_BRIDGE = "com.docker.network.bridge.default_bridge"
MTU = "com.docker.network.driver.mtu"
INTERFACE_PREFIX = "com.docker.network.container_iface_prefix"
PREDEFINED = ("bridge", "host", "none")


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """One entry of IPAM.Config, whole. `said`: the user named the subnet, so fixed addresses are allowed."""

    subnet: str
    gateway: str = ""
    range: str = ""
    auxiliary: dict[str, str] = field(default_factory=dict)
    said: bool = False

    def pool(self) -> Pool:
        return Pool(
            read_subnet(self.subnet),
            range=read_subnet(self.range) if self.range else None,
            gateway=read_address(self.gateway, "gateway") if self.gateway else None,
            auxiliary=[read_address(text, "auxiliary address") for text in self.auxiliary.values()],
        )


@dataclass(frozen=True, slots=True)
class Network:
    id: str
    name: str
    driver: str
    created: str
    internal: bool = False
    attachable: bool = False
    ipv4: bool = True
    ipv6: bool = False
    ipam_driver: str = "default"
    ipam_options: dict[str, str] | None = None
    pools: tuple[PoolRecord, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    # "": not config-only and from no config
    config_only: bool = False
    config_from: str = ""
    # The names of the kernel's bridge: options may name it.
    bridge: str = ""

    @property
    def is_bridge(self) -> bool:
        return self.driver == "bridge" and not self.config_only

    @property
    def predefined(self) -> bool:
        return self.name in PREDEFINED

    @property
    def user_defined(self) -> bool:
        """Whether names are looked up in it; the default bridge knows links only."""
        return self.is_bridge and not self.predefined

    @property
    def masquerades(self) -> bool:
        return self.is_bridge and not self.internal and is_true(self.options.get(MASQUERADE, "true"))

    @property
    def icc(self) -> bool:
        """Whether its containers reach each other."""
        return is_true(self.options.get(ICC, "true"))

    @property
    def mtu(self) -> int | None:
        text = self.options.get(MTU, "")
        return int(text) if text.isdecimal() and int(text) else None

    @property
    def subnets(self) -> list[Subnet]:
        return [read_subnet(pool.subnet) for pool in self.pools]

    def gateways(self) -> list[tuple[Address, Subnet]]:
        """The bridge's own addresses."""
        found = []
        for pool in self.pools:
            if pool.gateway:
                found.append((read_address(pool.gateway, "gateway"), read_subnet(pool.subnet)))
        return found


def is_true(text: str) -> bool:
    return text.lower() in {"1", "t", "true"}


def record_of(network: Network) -> dict[str, Any]:
    """The store's form; `network_of` reads it back."""
    return asdict(network)


def network_of(record: Mapping[str, Any]) -> Network:
    pools = tuple(PoolRecord(**pool) for pool in record["pools"])
    return Network(**{**record, "pools": pools})


def inspect(network: Network, containers: Mapping[str, NetworkContainer] | None) -> NetworkInspect:
    """GET /networks/{id}; `containers` None leaves the key as the list of networks has it: empty."""
    shown: NetworkInspect = {
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": network.ipv4,
        "EnableIPv6": network.ipv6,
        "IPAM": ipam_shown(network),
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": network.config_from},
        "ConfigOnly": network.config_only,
        "Containers": dict(containers or {}),
        "Options": network.options,
        "Labels": network.labels,
    }
    return shown


def ipam_shown(network: Network) -> IPAM:
    config: list[IPAMPool] = []
    for pool in network.pools:
        entry: IPAMPool = {"Subnet": pool.subnet}
        if pool.range:
            entry["IPRange"] = pool.range
        if pool.gateway:
            entry["Gateway"] = pool.gateway
        if pool.auxiliary:
            entry["AuxiliaryAddresses"] = dict(pool.auxiliary)
        config.append(entry)
    return {"Driver": network.ipam_driver, "Options": network.ipam_options, "Config": config}
