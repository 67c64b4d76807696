"""The messages that make bridges, veths, addresses and routes: pure bytes for `netlink`. Source: linux/if_link.h.

Nothing here has IPv6 link-local addresses of its own accord: a hundred ports that announce themselves cost a core.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from engine.daemon.networks.ipam import Address, Subnet
from engine.daemon.networks.kernel.netlink import (
    CREATE,
    EXCL,
    REPLACE,
    Netlink,
    NetlinkError,
    Request,
    attribute,
    attributes,
    nested,
)

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_GETADDR, RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 20, 22, 24, 25, 26
AF_UNSPEC, AF_BRIDGE, AF_INET, AF_INET6 = 0, 7, 2, 10
IFF_UP = 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_PROTINFO, IFLA_LINKINFO = 1, 3, 4, 10, 12, 18
IFLA_IFALIAS, IFLA_AF_SPEC, IFLA_GROUP, IFLA_NET_NS_FD = 20, 26, 27, 28
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
VETH_INFO_PEER = 1
IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_NONE = 8, 1
IFLA_BRPORT_STATE, IFLA_BRPORT_MODE, IFLA_BRPORT_FLUSH, IFLA_BRPORT_ISOLATED = 1, 4, 24, 33
BR_STATE_DISABLED = 0
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
IFA_F_NODAD = 0x02
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_TABLE = 1, 4, 5, 15
TABLE_MAIN, TABLE_LOCAL, PROTO_BOOT, SCOPE_UNIVERSE, TYPE_UNICAST = 254, 255, 3, 0, 1
ENOENT, ESRCH, EEXIST, ENODEV, EOPNOTSUPP, EAFNOSUPPORT, ENETDOWN = 2, 3, 17, 19, 95, 97, 100

LINK = struct.Struct("=BxHiII")
ADDRESS = struct.Struct("=BBBBI")
ROUTE = struct.Struct("=BBBBBBBBI")


def link_body(*parts: bytes, index: int = 0, up: bool = False, family: int = AF_UNSPEC) -> bytes:
    return LINK.pack(family, 0, index, IFF_UP if up else 0, IFF_UP if up else 0) + b"".join(parts)


def new_bridge(name: str, mac: bytes, mtu: int | None, group: int) -> Request:
    """`group` is the daemon's own: how recovery knows its links."""
    parts = [
        attribute(IFLA_IFNAME, name),
        attribute(IFLA_ADDRESS, mac),
        attribute(IFLA_GROUP, group),
        nested(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, "bridge")),
    ]
    if mtu is not None:
        parts.append(attribute(IFLA_MTU, mtu))
    return Request(RTM_NEWLINK, link_body(*parts), f"make bridge {name}", CREATE | EXCL)


def new_veth(name: str, *, bridge: int, netns: int, peer: str, mac: bytes, mtu: int | None, group: int) -> Request:
    """A pair: `name` in the bridge, `peer` in the namespace (an fd). Both down: what comes next must come before."""
    size = [attribute(IFLA_MTU, mtu)] if mtu is not None else []
    inner = link_body(
        attribute(IFLA_IFNAME, peer), attribute(IFLA_ADDRESS, mac), attribute(IFLA_NET_NS_FD, netns), *size
    )
    return Request(
        RTM_NEWLINK,
        link_body(
            attribute(IFLA_IFNAME, name),
            attribute(IFLA_GROUP, group),
            attribute(IFLA_MASTER, bridge),
            *size,
            nested(
                IFLA_LINKINFO,
                attribute(IFLA_INFO_KIND, "veth"),
                nested(IFLA_INFO_DATA, nested(VETH_INFO_PEER, inner)),
            ),
        ),
        f"make link {name}",
        CREATE | EXCL,
    )


def set_port(index: int, *, isolated: bool) -> Request:
    """Hairpin: a container may reach itself through the host. Only SETLINK does this; NEWLINK ignores it."""
    flags = [attribute(IFLA_BRPORT_MODE, b"\x01")]
    if isolated:
        flags.append(attribute(IFLA_BRPORT_ISOLATED, b"\x01"))
    body = link_body(nested(IFLA_PROTINFO, *flags), index=index, family=AF_BRIDGE)
    return Request(RTM_SETLINK, body, "set bridge port")


def silence_port(index: int) -> Request:
    """A port that says and hears nothing, and is forgotten by its bridge. Deleting it waits 22 ms, this does not."""
    flags = nested(IFLA_PROTINFO, attribute(IFLA_BRPORT_STATE, b"\x00"), attribute(IFLA_BRPORT_FLUSH, b""))
    return Request(
        RTM_SETLINK,
        link_body(flags, index=index, family=AF_BRIDGE),
        "silence bridge port",
        tolerated=(ENODEV, ENETDOWN),
    )


def no_link_local(index: int) -> Request:
    """No IPv6 address of its own accord; before the link is up. One message for both would do it in the wrong order."""
    mode = attribute(IFLA_INET6_ADDR_GEN_MODE, struct.pack("=B", ADDR_GEN_NONE))
    body = link_body(nested(IFLA_AF_SPEC, nested(AF_INET6, mode)), index=index)
    # A kernel without IPv6 has nothing to switch off.
    return Request(RTM_SETLINK, body, "switch link-local address off", tolerated=(EOPNOTSUPP, EAFNOSUPPORT))


def set_up(index: int) -> Request:
    return Request(RTM_SETLINK, link_body(index=index, up=True), "bring link up")


def delete_link(index: int) -> Request:
    return Request(RTM_DELLINK, link_body(index=index), "delete link", tolerated=(ENODEV,))


def delete_group(group: int) -> Request:
    """Every link of the group; none is no fault."""
    return Request(RTM_DELLINK, link_body(attribute(IFLA_GROUP, group)), "delete links", tolerated=(ENODEV,))


def new_address(index: int, address: Address, subnet: Subnet) -> Request:
    family = AF_INET if address.version == 4 else AF_INET6
    parts = [attribute(IFA_LOCAL, address.packed), attribute(IFA_ADDRESS, address.packed)]
    if address.version == 6:
        # Duplicate detection would keep it from use for a second; we gave it, so it is unique.
        parts.append(attribute(IFA_FLAGS, IFA_F_NODAD))
    elif subnet.prefixlen < 31:
        parts.append(attribute(IFA_BROADCAST, subnet.broadcast_address.packed))
    body = ADDRESS.pack(family, subnet.prefixlen, 0, 0, index) + b"".join(parts)
    return Request(RTM_NEWADDR, body, f"add address {address}", CREATE | REPLACE, (EEXIST,))


def default_route(index: int, gateway: Address) -> Request:
    family = AF_INET if gateway.version == 4 else AF_INET6
    body = ROUTE.pack(family, 0, 0, 0, TABLE_MAIN, PROTO_BOOT, SCOPE_UNIVERSE, TYPE_UNICAST, 0)
    body += attribute(RTA_OIF, index) + attribute(RTA_GATEWAY, gateway.packed)
    return Request(RTM_NEWROUTE, body, f"route by {gateway}", CREATE | REPLACE)


def no_default_route(version: int) -> Request:
    family = AF_INET if version == 4 else AF_INET6
    body = ROUTE.pack(family, 0, 0, 0, TABLE_MAIN, 0, 0, 0, 0)
    return Request(RTM_DELROUTE, body, "delete default route", tolerated=(ENOENT, ESRCH, EOPNOTSUPP, EAFNOSUPPORT))


# --- what is there --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Link:
    index: int
    name: str
    group: int
    master: int
    kind: str


def find_link(netlink: Netlink, name: str) -> Link | None:
    found = netlink.get(RTM_GETLINK, link_body(attribute(IFLA_IFNAME, name)))
    return None if found is None else read_link(found)


def all_links(netlink: Netlink) -> list[Link]:
    return [read_link(body) for body in netlink.dump(RTM_GETLINK, link_body())]


def read_link(body: bytes) -> Link:
    _, _, index, _, _ = LINK.unpack_from(body)
    found = attributes(body[LINK.size :])
    kind = attributes(found.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND, b"").rstrip(b"\0").decode()
    return Link(
        index,
        found.get(IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace"),
        int.from_bytes(found.get(IFLA_GROUP, b""), "little"),
        int.from_bytes(found.get(IFLA_MASTER, b""), "little"),
        kind,
    )


def host_subnets(netlink: Netlink) -> list[Subnet]:
    """What the host has routes to, and the subnets of its own addresses (a link that is down has no routes)."""
    found: list[Subnet] = []
    for family in (AF_INET, AF_INET6):
        for message in dump(netlink, RTM_GETROUTE, family, ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
            _, length, _, _, table, _, _, kind, _ = ROUTE.unpack_from(message)
            packed = attributes(message[ROUTE.size :]).get(RTA_DST)
            # Default routes, and what is the host's own (TABLE_LOCAL), are left out.
            if packed is not None and length and table != TABLE_LOCAL and kind == TYPE_UNICAST:
                found.append(subnet_of(packed, length))
        for message in dump(netlink, RTM_GETADDR, family, ADDRESS.pack(family, 0, 0, 0, 0)):
            _, length, _, _, _ = ADDRESS.unpack_from(message)
            if (packed := attributes(message[ADDRESS.size :]).get(IFA_ADDRESS)) is not None:
                found.append(subnet_of(packed, length))
    return found


def subnet_of(packed: bytes, length: int) -> Subnet:
    return (IPv4Network if len(packed) == 4 else IPv6Network)((packed, length), strict=False)


def dump(netlink: Netlink, kind: int, family: int, body: bytes) -> list[bytes]:
    """A kernel without IPv6 has none of it."""
    try:
        return netlink.dump(kind, body)
    except NetlinkError as error:
        if family == AF_INET6 and error.errno in {EOPNOTSUPP, EAFNOSUPPORT}:
            return []
        raise
