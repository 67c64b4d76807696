"""A network's bridge: made with its addresses and settings, found again, taken away. Blocking; called in threads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.api.errors import Conflict
from engine.daemon.networks.ipam import Address, Subnet
from engine.daemon.networks.kernel import links
from engine.daemon.networks.kernel.netlink import Netlink

SYSCTL = Path("/proc/sys/net")
DOCKER_S = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Bridge:
    """`mac` follows from the gateway's address: neighbours that remember the bridge are right again after a reboot."""

    name: str
    addresses: tuple[tuple[Address, Subnet], ...]
    mac: bytes
    mtu: int | None
    group: int

    @property
    def ipv6(self) -> bool:
        return any(address.version == 6 for address, _ in self.addresses)


def ensure(bridge: Bridge) -> int:
    """Make what is missing of it; → its index. One that somebody else made is used as it is, with our addresses.

    Raises Conflict where the name is another kind of link's.
    """
    with Netlink() as netlink:
        found = links.find_link(netlink, bridge.name)
        if found is None:
            netlink.do([links.new_bridge(bridge.name, bridge.mac, bridge.mtu, bridge.group)])
            found = links.find_link(netlink, bridge.name)
            assert found is not None  # the kernel just acknowledged it
        elif found.kind != "bridge":
            raise Conflict(f"interface {bridge.name} exists and is no bridge: give the network another bridge name")
        requests = [] if bridge.ipv6 else [links.no_link_local(found.index)]
        requests.append(links.set_up(found.index))
        requests += [links.new_address(found.index, address, subnet) for address, subnet in bridge.addresses]
        netlink.do(requests)
    settings(bridge)
    return found.index


def settings(bridge: Bridge) -> None:
    """Forwarding, as Docker sets it; route_localnet for ports published on 127.0.0.1 (rules.py guards it)."""
    write(SYSCTL / "ipv4/ip_forward", "1")
    write(SYSCTL / "ipv4/conf" / bridge.name / "route_localnet", "1")
    if bridge.ipv6:
        forward_ipv6()


def forward_ipv6() -> None:
    """A router ignores router advertisements unless told otherwise: who relied on them shall go on to."""
    forwarding = SYSCTL / "ipv6/conf/all/forwarding"
    if read(forwarding) != "0":
        return
    for folder in (SYSCTL / "ipv6/conf").iterdir():
        if folder.name not in {"all", "default"} and read(folder / "accept_ra") == "1":
            write(folder / "accept_ra", "2")
    write(forwarding, "1")


def read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def write(path: Path, value: str) -> None:
    """Only where it differs: on a host that forbids writing but is set up right, all is well."""
    if read(path) != value:
        path.write_text(value)


def remove(name: str, group: int) -> None:
    """Take the bridge away, if it is one of ours; whoever made another keeps it."""
    with Netlink() as netlink:
        found = links.find_link(netlink, name)
        if found is not None and found.group == group:
            netlink.do([links.delete_link(found.index)])


def remove_all(group: int) -> None:
    """Every link of `group`, at once: that costs the kernel little more than one does."""
    with Netlink() as netlink:
        netlink.do([links.delete_group(group)])


def sweep(group: int, veths: Sequence[str], bridges: Sequence[str]) -> list[str]:
    """Delete every link of `group` that is not named; → what was deleted. After a crash."""
    keep = {*veths, *bridges}
    with Netlink() as netlink:
        stale = [link for link in links.all_links(netlink) if link.group == group and link.name not in keep]
        netlink.do([links.delete_link(link.index) for link in stale])
    return [link.name for link in stale]


def of_group(group: int) -> list[str]:
    with Netlink() as netlink:
        return [link.name for link in links.all_links(netlink) if link.group == group]


def of_docker(group: int) -> frozenset[str]:
    """The bridges that Docker's names say are its, but for those of ours (`group`) that are called so."""
    with Netlink() as netlink:
        found = links.all_links(netlink)
    return frozenset(
        link.name for link in found if link.kind == "bridge" and link.group != group and DOCKER_S.fullmatch(link.name)
    )


def is_there(name: str) -> bool:
    with Netlink() as netlink:
        return links.find_link(netlink, name) is not None


def host_subnets() -> list[Subnet]:
    with Netlink() as netlink:
        return links.host_subnets(netlink)
