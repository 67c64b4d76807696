"""Addresses of networks that no engine will take: said before one is asked. Compose looks at none of them."""

from __future__ import annotations

from typing import Any

from specs.check.subject import Subject


def subnets(subject: Subject) -> None:
    for name, network in subject.section("networks").items():
        for index, pool in enumerate(((network or {}).get("ipam") or {}).get("config") or ()):
            fault = fault_of(pool)
            if fault is not None:
                key, text = fault
                span = subject.at("networks", name, "ipam", "config", index, key)
                origin = subject.origin("networks", name, "ipam", "config", index, key)
                subject.report.warning("bad-subnet", f'network "{name}": {text}{origin}', span)


def fault_of(pool: dict[str, Any]) -> tuple[str, str] | None:
    """The key at fault, and what is wrong with it."""
    # late: few files give their networks addresses
    import ipaddress

    subnet = None
    for key in ("subnet", "ip_range"):
        if text := pool.get(key):
            try:
                found = ipaddress.ip_network(text, strict=False)
            except ValueError:
                return key, f"{text!r} is no range of addresses, such as 10.1.0.0/16"
            subnet = subnet or found
    if gateway := pool.get("gateway"):
        try:
            address = ipaddress.ip_address(gateway)
        except ValueError:
            return "gateway", f"{gateway!r} is no address"
        if subnet is not None and address not in subnet:
            return "gateway", f"the gateway {gateway} lies outside of {subnet}"
    return None
