"""Flows that the kernel remembers: those to an address that goes are forgotten. Source: linux/nfnetlink_conntrack.h.

A TCP flow ends with its container. A UDP flow has no end: a client that goes on sending from its port would be led to
the old container's address for half a minute, and for as long as it sends.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable

from engine.daemon.networks.kernel.netlink import ACK, HEADER, REQUEST, attribute, messages, nested

NETLINK_NETFILTER, DELETE = 12, 1 << 8 | 2
CTA_TUPLE_REPLY, CTA_FILTER = 2, 25
CTA_TUPLE_IP, CTA_TUPLE_PROTO = 1, 2
CTA_IP_V4_SRC, CTA_IP_V6_SRC, CTA_PROTO_NUM = 1, 3, 1
CTA_FILTER_REPLY_FLAGS = 2
BY_SOURCE, BY_PROTOCOL = 1 << 0, 1 << 3
# Kernels before 5.8 know no such filter, and say so in one of these ways.
UNSUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOENT}


def forget_udp(addresses: Iterable[str]) -> None:
    """Every UDP flow that these addresses answer."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as netlink:
        netlink.settimeout(5)
        for number, address in enumerate(addresses, 1):
            body = flows_from(address)
            netlink.send(HEADER.pack(HEADER.size + len(body), DELETE, REQUEST | ACK, number, 0) + body)
            for _, _, answer in messages(netlink.recv(1 << 16)):
                code = -struct.unpack_from("=i", answer)[0]
                if code and code not in UNSUPPORTED:
                    raise OSError(code, f"forget the flows to {address}")


def flows_from(address: str) -> bytes:
    """Flows whose answers come from the address, by UDP."""
    six = ":" in address
    family = socket.AF_INET6 if six else socket.AF_INET
    source = attribute(CTA_IP_V6_SRC if six else CTA_IP_V4_SRC, socket.inet_pton(family, address))
    protocol = attribute(CTA_PROTO_NUM, struct.pack("=B", socket.IPPROTO_UDP))
    return (
        struct.pack("=BBH", family, 0, 0)
        + nested(CTA_TUPLE_REPLY, nested(CTA_TUPLE_IP, source), nested(CTA_TUPLE_PROTO, protocol))
        + nested(CTA_FILTER, attribute(CTA_FILTER_REPLY_FLAGS, BY_SOURCE | BY_PROTOCOL))
    )
