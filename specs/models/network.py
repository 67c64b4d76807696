"""Networks, and how a service is attached to one."""

from __future__ import annotations

from pydantic import Field

from specs.models.base import Extensible


class IpamPool(Extensible):
    subnet: str | None = None
    gateway: str | None = None
    ip_range: str | None = None
    aux_addresses: dict[str, str] | None = None


class Ipam(Extensible):
    driver: str | None = None
    config: list[IpamPool] | None = None


class Network(Extensible):
    """`name` is the engine's name for it: `<project>_<key>` unless the file says otherwise."""

    name: str | None = None
    driver: str | None = None
    driver_opts: dict[str, str] | None = None
    ipam: Ipam = Field(default_factory=Ipam)
    external: bool | None = None
    internal: bool | None = None
    attachable: bool | None = None
    labels: dict[str, str] | None = None
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None


class NetworkAttachment(Extensible):
    aliases: list[str] | None = None
    driver_opts: dict[str, str] | None = None
    gw_priority: int | None = None
    interface_name: str | None = None
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    link_local_ips: list[str] | None = None
    mac_address: str | None = None
    priority: int | None = None
