"""One file over another, key by key: Compose's merge rules, as a table from path to rule. `base` is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specs.node import Node, equal, planted
from specs.resolve.refusal import Refusal, refusal
from specs.scalars import printed
from specs.source import Diagnostic, Related

Rule = Callable[[Node, Node, dict[str, Any]], Node]
NOTHING: dict[str, Any] = {}


def merge(base: Node, other: Node, rules: dict[str, Any]) -> Node:
    """`other` over `base`; `rules` is the table below this path."""
    if (rule := rules.get("")) is not None:
        return remembered(rule(base, other, rules), base)
    if other.value is None:
        return base
    old, new = base.value, other.value
    if type(old) is dict:
        if type(new) is not dict:
            raise cannot_override(base, other, "a mapping", NAMES.get(type(new), "something else"))
        return merge_mappings(base, other, rules)
    if type(old) is list:
        if type(new) is not list:
            raise cannot_override(base, other, "a list", NAMES.get(type(new), "something else"))
        return joined(base, old, other, new)
    return remembered(other, base)


NAMES = {str: "text", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "a mapping"}


def cannot_override(base: Node, other: Node, old: str, new: str) -> Refusal:
    related = (Related(f"{old} here", base.span),) if base.span else ()
    hint = f"write {old}, or mark it !override to replace what came before"
    return refusal(other, "cannot-override", f"{old} of an earlier file can't be replaced by {new}", hint, related)


def joined(base: Node, old: list[Node], other: Node, new: list[Node]) -> Node:
    """Both lists in one; the place is that of the later, the earlier is remembered."""
    both = other.at(old + new)
    return remembered(both, base)


def remembered(node: Node, base: Node) -> Node:
    if node is not base and node.earlier is None:
        node.earlier = base
    return node


def merge_mappings(base: Node, other: Node, rules: dict[str, Any]) -> Node:
    """Key by key into `base`. Raises one Refusal for all keys that can't be merged: those stay as they were."""
    mapping: dict[str, Node] = base.value
    rest = rules.get("*", NOTHING)
    faults: list[Diagnostic] = []
    for name, value in other.value.items():
        existing = mapping.get(name)
        if existing is None:
            mapping[name] = value
            continue
        try:
            mapping[name] = merge(existing, value, rules.get(name, rest))
        except Refusal as error:
            faults += error.diagnostics
    if faults:
        raise Refusal(*faults, rest=base)
    return base


def replace(_: Node, other: Node, __: dict[str, Any]) -> Node:
    return other


def append_pairs(base: Node, other: Node, _: dict[str, Any]) -> Node:
    return joined(base, pairs(base), other, pairs(other))


def append_new_pairs(base: Node, other: Node, _: dict[str, Any]) -> Node:
    old = pairs(base)
    new = [item for item in pairs(other) if not any(equal(item, there) for there in old)]
    return joined(base, old, other, new)


def pairs(node: Node) -> list[Node]:
    """A mapping as a list of `key=value`, sorted; a string as a list of itself."""
    value = node.value
    if type(value) is list:
        return value
    if type(value) is str:
        return [node]
    if type(value) is not dict:
        return []
    found: list[Node] = []
    for name, child in value.items():
        if child.value is None:
            found.append(child.at(name))
        elif type(child.value) is list:
            found += [item.at(f"{name}={printed(item.value)}") for item in child.value]
        else:
            found.append(child.at(f"{name}={printed(child.value)}"))
    return sorted(found, key=lambda item: item.value)


def merge_logging(base: Node, other: Node, rules: dict[str, Any]) -> Node:
    old, new = base.value, other.value
    if type(old) is not dict or type(new) is not dict:
        raise refusal(other, "cannot-override", "logging must be a mapping in every file")
    drivers = [mapping["driver"].value for mapping in (old, new) if "driver" in mapping]
    if len(drivers) < 2 or drivers[0] == drivers[1]:
        return merge_mappings(base, other, {})
    return other


def merge_build(base: Node, other: Node, rules: dict[str, Any]) -> Node:
    return merge_mappings(as_build(base), as_build(other), rules | {"": None})


def as_build(node: Node) -> Node:
    if type(node.value) is dict:
        return node
    return node.at({"context": node} if type(node.value) is str else {})


def merge_keyed(default: dict[str, Any] | None) -> Rule:
    """A list of names counts as a mapping from each to `default`."""

    def rule(base: Node, other: Node, rules: dict[str, Any]) -> Node:
        return merge_mappings(as_mapping(base, default), as_mapping(other, default), rules | {"": None})

    return rule


def as_mapping(node: Node, default: dict[str, Any] | None) -> Node:
    value = node.value
    if type(value) is dict:
        return node
    found: dict[str, Node] = {}
    for item in value if type(value) is list else ():
        if type(item.value) is not str:
            raise refusal(item, "wrong-type", "must be a name")
        found[item.value] = planted(default, item)
    return node.at(found)


def merge_pools(base: Node, other: Node, _: dict[str, Any]) -> Node:
    """`ipam.config`: pools of one subnet become one."""
    if type(base.value) is not list or type(other.value) is not list:
        raise refusal(other, "cannot-override", "ipam.config must be a list in every file")
    found: list[Node] = []
    for original in base.value:
        for override in other.value:
            if type(original.value) is not dict or type(override.value) is not dict:
                raise refusal(override, "wrong-type", "must be a mapping")
            merge_pool(found, original, override)
    return other.at(found)


def merge_pool(found: list[Node], original: Node, override: Node) -> None:
    if subnet(original) != subnet(override) and not any(subnet(pool) == subnet(override) for pool in found):
        found.append(override)
        return
    merged = merge_mappings(original, override, {})
    for index, pool in enumerate(found):
        if subnet(pool) == subnet(merged):
            found[index] = merged
            return
    found.append(merged)


def subnet(pool: Node) -> Any:
    node = pool.value.get("subnet")
    return None if node is None else node.value


STARTED = {"condition": "service_started", "required": True}

RULE_PATHS: dict[str, Rule] = {
    "networks.*.ipam.config": merge_pools,
    "networks.*.labels": append_pairs,
    "volumes.*.labels": append_pairs,
    "services.*.annotations": append_pairs,
    "services.*.build": merge_build,
    "services.*.build.args": append_pairs,
    "services.*.build.additional_contexts": append_pairs,
    "services.*.build.extra_hosts": append_new_pairs,
    "services.*.build.labels": append_pairs,
    "services.*.command": replace,
    "services.*.depends_on": merge_keyed(STARTED),
    "services.*.deploy.labels": append_pairs,
    "services.*.dns": append_pairs,
    "services.*.dns_opt": append_pairs,
    "services.*.dns_search": append_pairs,
    "services.*.entrypoint": replace,
    "services.*.env_file": append_pairs,
    "services.*.label_file": append_pairs,
    "services.*.environment": append_pairs,
    "services.*.extra_hosts": append_new_pairs,
    "services.*.healthcheck.test": replace,
    "services.*.labels": append_pairs,
    "services.*.logging": merge_logging,
    "services.*.models": merge_keyed(None),
    "services.*.networks": merge_keyed(None),
    "services.*.sysctls": append_pairs,
    "services.*.tmpfs": append_pairs,
    "services.*.ulimits.*": replace,
}


def table_of(paths: dict[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, rule in paths.items():
        table = root
        for step in path.split("."):
            table = table.setdefault(step, {})
        table[""] = rule
    return root


RULES = table_of(RULE_PATHS)
SERVICE_RULES: dict[str, Any] = RULES["services"]["*"]
