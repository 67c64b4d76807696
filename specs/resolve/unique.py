"""Lists whose entries have an identity: a later entry with the same identity takes the earlier one's place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specs.node import Node
from specs.resolve.merge import table_of
from specs.resolve.refusal import Refusal, refusal
from specs.resolve.short import parse_mount
from specs.scalars import printed
from specs.source import Diagnostic

Index = Callable[[Node], Any]


def enforce_unique(root: Node, *, lenient: bool = False) -> Node:
    """Apply all rules below the root of a project. `lenient` leaves a list alone that the schema is yet to refuse;
    else raises one Refusal for all entries that have no identity: those are gone.
    """
    faults: list[Diagnostic] = []
    walk(root, UNIQUE, None if lenient else faults)
    if faults:
        raise Refusal(*faults, rest=root)
    return root


def walk(node: Node, table: dict[str, Any], faults: list[Diagnostic] | None) -> None:
    value = node.value
    if type(value) is not dict:
        return
    rest = table.get("*")
    for name, child in value.items():
        inner = table.get(name, rest)
        if inner is None:
            continue
        if type(child.value) is list:
            index = inner.get("")
            if index is not None and child.value and (len(child.value) > 1 or type(child.value[0].value) is not str):
                try:
                    child.value = deduplicated(child.value, index)
                except TypeError:
                    # a list or mapping where a word belongs: the schema says so
                    pass
                except Refusal as error:
                    if faults is not None:
                        faults += error.diagnostics
                        child.value = error.rest
        else:
            walk(child, inner, faults)


def deduplicated(items: list[Node], index: Index) -> list[Node]:
    """Raises a Refusal for all items without an identity."""
    found: dict[Any, Node] = {}
    faults: list[Diagnostic] = []
    for item in items:
        try:
            identity = index(item)
        except Refusal as error:
            faults += error.diagnostics
            continue
        if (earlier := found.get(identity)) is not None and item.earlier is None:
            item.earlier = earlier
        found[identity] = item
    if faults:
        raise Refusal(*faults, rest=list(found.values()))
    return list(found.values())


def wrong(item: Node) -> Refusal:
    return refusal(item, "wrong-type", "can't stand in this list")


def by_name(item: Node) -> Any:
    if isinstance(item.value, str):
        return item.value.partition("=")[0]
    raise wrong(item)


def by_target(item: Node) -> Any:
    if type(item.value) is dict:
        target = item.value.get("target")
        if target is None or type(target.value) is not str:
            raise refusal(item, "missing-key", "the mount needs a target", "add target: and the path in the container")
        return target.value
    if isinstance(item.value, str):
        mount = parse_mount(item)
        return mount.value["target"].value if "target" in mount.value else ""
    return ""


def by_device(item: Node) -> Any:
    if type(item.value) is dict:
        target = item.value.get("target")
        if target is None or type(target.value) is not str:
            raise refusal(item, "missing-key", "the device needs a target")
        return target.value
    if isinstance(item.value, str):
        parts = item.value.split(":")
        return parts[0] if len(parts) == 1 else parts[1]
    return ""


def by_number(item: Node) -> Any:
    if isinstance(item.value, str) or type(item.value) is int:
        return str(item.value)
    raise wrong(item)


def by_file(default: str) -> Index:
    def index(item: Node) -> Any:
        if isinstance(item.value, str):
            return f"{default}/{item.value}"
        if type(item.value) is dict:
            if (target := item.value.get("target")) is not None:
                return target.value
            source = item.value.get("source")
            return f"{default}/{printed(source.value) if source else None}"
        raise wrong(item)

    return index


def by_port(item: Node) -> Any:
    value = item.value
    if type(value) is dict:
        if "target" not in value:
            raise refusal(item, "missing-key", "the port needs a target")
        return tuple(part(value, key, default) for key, default in PORT_PARTS)
    return str(value) if isinstance(value, str | int) else ""


PORT_PARTS = (("host_ip", "0.0.0.0"), ("published", None), ("target", None), ("protocol", "tcp"))


def part(value: dict[str, Node], key: str, default: Any) -> Any:
    found = value.get(key)
    return default if found is None else found.value


def by_path(item: Node) -> Any:
    if isinstance(item.value, str):
        return item.value
    if type(item.value) is dict:
        path = item.value.get("path")
        if path is None or type(path.value) is not str:
            raise refusal(item, "missing-key", "the env_file needs a path")
        return path.value
    return ""


UNIQUE = table_of(
    dict.fromkeys(
        (
            "networks.*.labels",
            "networks.*.ipam.options",
            "services.*.annotations",
            "services.*.build.args",
            "services.*.build.additional_contexts",
            "services.*.build.platform",
            "services.*.build.tags",
            "services.*.build.labels",
            "services.*.cap_add",
            "services.*.cap_drop",
            "services.*.deploy.labels",
            "services.*.dns",
            "services.*.dns_opt",
            "services.*.dns_search",
            "services.*.environment",
            "services.*.labels",
            "services.*.links",
            "services.*.networks.*.aliases",
            "services.*.networks.*.link_local_ips",
            "services.*.profiles",
            "services.*.sysctls",
            "services.*.tmpfs",
        ),
        by_name,
    )
    | {
        "services.*.configs": by_file(""),
        "services.*.secrets": by_file("/run/secrets"),
        "services.*.env_file": by_path,
        "services.*.expose": by_number,
        "services.*.ports": by_port,
        "services.*.volumes": by_target,
        "services.*.devices": by_device,
    }
)
