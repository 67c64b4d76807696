"""A live container's networks against the desired ones: what to connect, what to let go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.plan.desired import DesiredContainer
from engine.plan.observed import LiveContainer
from engine.plan.steps import FieldChange

Endpoint = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EndpointDiff:
    """One network: `disconnect` first where it is attached in another way, then `connect`."""

    network: str
    change: FieldChange
    disconnect: bool
    connect: Endpoint | None


def diff_endpoints(desired: DesiredContainer, live: LiveContainer) -> list[EndpointDiff]:
    """Nothing for a container that shares another's network, or the host's: that is the field `network_mode`."""
    mode = (desired.body.get("HostConfig") or {}).get("NetworkMode") or ""
    if mode in {"host", "none", "bridge", "default"} or mode.startswith("container:"):
        return []
    want: Mapping[str, Endpoint] = (desired.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    have: Mapping[str, Endpoint] = live.inspect.get("NetworkSettings", {}).get("Networks") or {}
    found = [
        EndpointDiff(name, FieldChange(f"networks.{name}", None, "connected"), False, want[name])
        for name in want
        if name not in have
    ]
    for name in have:
        if name not in want:
            found.append(EndpointDiff(name, FieldChange(f"networks.{name}", "connected", None), True, None))
            continue
        for change in setting_changes(name, want[name], have[name], live):
            found.append(EndpointDiff(name, change, True, want[name]))
            break
    return found


def setting_changes(name: str, want: Endpoint, have: Endpoint, live: LiveContainer) -> Iterator[FieldChange]:
    # the engine itself adds the short id and the host name
    own = {live.name, live.id[:12], live.inspect["Config"].get("Hostname")}
    old, new = set(have.get("Aliases") or ()) - own, set(want.get("Aliases") or ()) - own
    if old != new:
        yield FieldChange(f"networks.{name}.aliases", sorted(old), sorted(new))
    asked, given = want.get("IPAMConfig") or {}, have.get("IPAMConfig") or {}
    for key, word in (("IPv4Address", "ipv4_address"), ("IPv6Address", "ipv6_address")):
        if (asked.get(key) or None) != (given.get(key) or None):
            yield FieldChange(f"networks.{name}.{word}", given.get(key) or None, asked.get(key) or None)
