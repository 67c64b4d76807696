"""The wire shapes of networks and endpoints. Source: Engine API v1.50, /networks."""

from __future__ import annotations

from typing import Any, TypedDict


class EndpointIPAM(TypedDict, total=False):
    IPv4Address: str
    IPv6Address: str
    LinkLocalIPs: list[str] | None


class EndpointSettings(TypedDict, total=False):
    IPAMConfig: EndpointIPAM | None
    Links: list[str] | None
    MacAddress: str
    Aliases: list[str] | None
    DriverOpts: dict[str, str] | None
    GwPriority: int
    NetworkID: str
    EndpointID: str
    Gateway: str
    IPAddress: str
    IPPrefixLen: int
    IPv6Gateway: str
    GlobalIPv6Address: str
    GlobalIPv6PrefixLen: int
    DNSNames: list[str] | None


class NetworkingConfig(TypedDict, total=False):
    EndpointsConfig: dict[str, EndpointSettings]


class IPAMPool(TypedDict, total=False):
    Subnet: str
    IPRange: str
    Gateway: str
    AuxiliaryAddresses: dict[str, str] | None


class IPAM(TypedDict, total=False):
    Driver: str
    Config: list[IPAMPool] | None
    Options: dict[str, str] | None


class NetworkCreate(TypedDict, total=False):
    """The body of POST /networks/create; CheckDuplicate matters below 1.44 only."""

    Name: str
    CheckDuplicate: bool
    Driver: str
    Scope: str
    Internal: bool
    Attachable: bool
    Ingress: bool
    ConfigOnly: bool
    ConfigFrom: dict[str, str] | None
    IPAM: IPAM
    EnableIPv4: bool
    EnableIPv6: bool
    Options: dict[str, str] | None
    Labels: dict[str, str] | None


class NetworkCreated(TypedDict, total=False):
    Id: str
    Warning: str


class NetworkContainer(TypedDict, total=False):
    Name: str
    EndpointID: str
    MacAddress: str
    IPv4Address: str
    IPv6Address: str


class NetworkInspect(TypedDict, total=False):
    """Also an entry of GET /networks, there without Containers."""

    Name: str
    Id: str
    Created: str
    Scope: str
    Driver: str
    EnableIPv4: bool
    EnableIPv6: bool
    IPAM: IPAM
    Internal: bool
    Attachable: bool
    Ingress: bool
    ConfigFrom: dict[str, str]
    ConfigOnly: bool
    Containers: dict[str, NetworkContainer] | None
    Options: dict[str, str] | None
    Labels: dict[str, str] | None
    Peers: list[dict[str, Any]] | None


class NetworksPruned(TypedDict, total=False):
    NetworksDeleted: list[str] | None
