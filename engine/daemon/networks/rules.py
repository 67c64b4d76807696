"""The firewall as text for nft: one table of ours, `inet`, all verdicts by sets and maps. Pure.

A network is a few set elements, a published port one or two map elements: a change costs the same with one network
or five hundred. What the chains promise:
- Bridges are apart: only answers, and what came through a published port, cross into one.
- A bridge has route_localnet on (a published port on 127.0.0.1), so what its containers send to 127.0.0.0/8 of the
  host is dropped before anything else sees it (CVE-2020-8558's class).
- Docker's bridges are apart from ours too (`others`): the accept that lets us through beside it would join them.
- Nothing of another program's is touched; a drop of theirs stays one (see kernel.firewall).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from engine.daemon.networks.ipam import Subnet
from engine.daemon.networks.ports import ANY4, ANY6, Published


@dataclass(frozen=True, slots=True)
class BridgeRules:
    """What the firewall knows of one network."""

    bridge: str
    subnets: tuple[Subnet, ...]
    internal: bool = False
    masquerades: bool = True
    icc: bool = True


@dataclass(frozen=True, slots=True)
class Forward:
    """A published port, and the container's addresses of each family that it leads to."""

    published: Published
    ipv4: str = ""
    ipv6: str = ""


TABLE = """\
table inet {table} {{
  set bridges {{ type ifname; }}
  set internal {{ type ifname; }}
  set others {{ type ifname; }}
  set open {{ type ifname . ifname; }}
  set nets4 {{ type ipv4_addr; flags interval; }}
  set nets6 {{ type ipv6_addr; flags interval; }}
  set masquerade4 {{ type ipv4_addr; flags interval; }}
  set masquerade6 {{ type ipv6_addr; flags interval; }}
  map any4 {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
  map any6 {{ type inet_proto . inet_service : ipv6_addr . inet_service; }}
  map one4 {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
  map one6 {{ type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }}

  chain raw {{
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    fib daddr type local jump publish
  }}
  chain publish {{
    dnat ip to ip daddr . meta l4proto . th dport map @one4
    ip6 daddr != ::1 dnat ip6 to ip6 daddr . meta l4proto . th dport map @one6
    meta nfproto ipv4 dnat ip to meta l4proto . th dport map @any4
    ip6 daddr != ::1 dnat ip6 to meta l4proto . th dport map @any6
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @masquerade4 oifname != @bridges masquerade
    ip6 saddr @masquerade6 oifname != @bridges masquerade
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ip saddr @nets4 oifname @bridges ct status dnat masquerade
    ip6 saddr @nets6 oifname @bridges ct status dnat masquerade
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname . oifname @open accept
    oifname @bridges jump inbound
    iifname @bridges oifname @others jump inbound
    iifname @internal drop
  }}
  chain inbound {{
    oifname @internal drop
    ct state established,related accept
    ct status dnat accept
    drop
  }}
}}
"""


def whole(table: str, bridges: Iterable[BridgeRules], forwards: Iterable[Forward], others: Iterable[str] = ()) -> str:
    """Everything, in place of whatever the table held. For a start, and after a change that was refused."""
    parts = [f"add table inet {table}", f"delete table inet {table}", TABLE.format(table=table).rstrip()]
    parts += [change(table, "add", bridge_elements(bridge)) for bridge in bridges]
    parts += [change(table, "add", forward_elements(list(forwards)))]
    parts += [change(table, "add", other_elements(others))]
    return "\n".join(part for part in parts if part) + "\n"


def change(table: str, verb: str, elements: Iterable[tuple[str, str]]) -> str:
    """`verb` (add, delete) the elements (set, element), as commands of one transaction."""
    by_set: dict[str, list[str]] = {}
    for name, element in elements:
        by_set.setdefault(name, []).append(element)
    return "\n".join(
        f"{verb} element inet {table} {name} {{ {', '.join(dict.fromkeys(found))} }}" for name, found in by_set.items()
    )


def bridge_elements(network: BridgeRules) -> list[tuple[str, str]]:
    name = f'"{network.bridge}"'
    elements = [("bridges", name)]
    if network.internal:
        elements.append(("internal", name))
    if network.icc:
        elements.append(("open", f"{name} . {name}"))
    for subnet in network.subnets:
        elements.append((f"nets{subnet.version}", str(subnet)))
        if network.masquerades and not network.internal:
            elements.append((f"masquerade{subnet.version}", str(subnet)))
    return elements


def other_elements(bridges: Iterable[str]) -> list[tuple[str, str]]:
    return [("others", f'"{bridge}"') for bridge in sorted(bridges)]


def forward_elements(forwards: Sequence[Forward]) -> list[tuple[str, str]]:
    """What the kernel itself can lead to the container: an IPv6 host address to an IPv4 container it can't (proxy)."""
    elements = []
    for forward in forwards:
        published = forward.published
        key, port = f"{published.protocol} . {published.host_port}", published.port
        version = ip_address(published.address).version
        if version == 4 and forward.ipv4:
            here = ("any4", key) if published.address == ANY4 else ("one4", f"{published.address} . {key}")
            elements.append((here[0], f"{here[1]} : {forward.ipv4} . {port}"))
        elif version == 6 and forward.ipv6:
            here = ("any6", key) if published.address == ANY6 else ("one6", f"{published.address} . {key}")
            elements.append((here[0], f"{here[1]} : {forward.ipv6} . {port}"))
    return elements


def differences(there: Sequence[Mapping[str, Any]], wanted: Iterable[tuple[str, str]]) -> list[str]:
    """What `nft -j list table` answers against the elements (set, element) that it should hold, in words."""
    held = set()
    for found in there:
        block = found.get("set") or found.get("map")
        if block is not None:
            name, names = block["name"], block.get("type") == "ifname" or "ifname" in block.get("type", ())
            held |= {(name, element_text(element, names=names)) for element in block.get("elem", ())}
    expected = set(wanted)
    words = [f"{name} has no {element}" for name, element in sorted(expected - held)]
    words += [f"{name} has {element}, which nothing needs" for name, element in sorted(held - expected)]
    lines = [line.strip() for line in TABLE.splitlines()[1:]]
    rules = sum(bool(line) and not line.startswith(("set ", "map ", "chain ", "type ", "}")) for line in lines)
    if (count := sum("rule" in found for found in there)) != rules:
        words.append(f"it has {count} rules in place of {rules}")
    return words


def element_text(element: Any, *, names: bool) -> str:
    """An element of nft's JSON as we write it. Source: libnftables-json(5), EXPRESSIONS."""
    match element:
        case [key, value]:
            return f"{element_text(key, names=names)} : {element_text(value, names=False)}"
        case {"concat": parts}:
            return " . ".join(element_text(part, names=names) for part in parts)
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
    return f'"{element}"' if names else str(element)


def resolver_table(port: int, *, anew: bool = False) -> str:
    """Inside a container: 127.0.0.11:53 leads to the steward's sockets, and port 53 stays free for the container.

    Refused where the table exists, unless `anew`: taking one away waits 10 ms, so that isn't done for nothing.
    """
    before = "add table ip rorqual_names\ndelete table ip rorqual_names\n" if anew else ""
    return (
        f"{before}create table ip rorqual_names\n"
        "table ip rorqual_names {\n  chain output {\n"
        "    type nat hook output priority -100; policy accept;\n"
        f"    ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:{port}\n"
        f"    ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:{port}\n"
        "  }\n}\n"
    )
