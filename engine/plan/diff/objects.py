"""Networks and volumes, desired against live. Neither can be changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.plan.desired import DesiredNetwork, DesiredVolume
from engine.plan.lower.naming import is_tool_label
from engine.plan.steps import FieldChange


def diff_network(desired: DesiredNetwork, live: Mapping[str, Any]) -> list[FieldChange]:
    """Fields that differ. Subnets count only where the spec asks for them: the engine chooses the rest."""
    body = desired.body
    pairs: list[tuple[str, Any, Any]] = [
        ("driver", live.get("Driver"), body["Driver"]),
        ("internal", bool(live.get("Internal")), body["Internal"]),
        ("attachable", bool(live.get("Attachable")), body["Attachable"]),
        ("enable_ipv6", bool(live.get("EnableIPv6")), body["EnableIPv6"]),
        *nested("driver_opts", live.get("Options"), body["Options"]),
        *nested("labels", live.get("Labels"), body["Labels"]),
    ]
    asked = (body.get("IPAM") or {}).get("Config") or []
    given = (live.get("IPAM") or {}).get("Config") or []
    if asked:
        pairs.append(("ipam.config", pools(given, asked), pools(asked, asked)))
    return [FieldChange(path, old, new) for path, old, new in pairs if old != new]


def pools(config: list[Mapping[str, Any]], asked: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each pool with the keys that the spec's pool of the same place gives: a gateway left out is the engine's own."""
    keys = [set(pool) for pool in asked]
    return [
        {k: v for k, v in pool.items() if k in (keys[i] if i < len(keys) else pool)} for i, pool in enumerate(config)
    ]


def diff_volume(desired: DesiredVolume, live: Mapping[str, Any]) -> list[FieldChange]:
    body = desired.body
    pairs: list[tuple[str, Any, Any]] = [
        ("driver", live.get("Driver"), body["Driver"]),
        *nested("driver_opts", live.get("Options"), body["DriverOpts"]),
        *nested("labels", live.get("Labels"), body["Labels"]),
    ]
    return [FieldChange(path, old, new) for path, old, new in pairs if old != new]


def nested(path: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """One pair a key of either side, the tools' own labels left out."""
    before = {k: v for k, v in (old or {}).items() if not is_tool_label(k)}
    return [(f"{path}.{key}", before.get(key), new.get(key)) for key in sorted(before.keys() | new.keys())]
