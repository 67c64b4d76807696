"""Short forms into long ones. Runs on the merged project after every file. What is no form at all leaves the tree."""

from __future__ import annotations

from collections.abc import Callable

from specs.losses import Losses
from specs.node import Node, planted
from specs.resolve.refusal import Refusal, attempt, each_of, refusal
from specs.resolve.short import clean, parse_mount, parse_ports, unknown_options
from specs.scalars import printed
from specs.source import Diagnostic, Report
from specs.typed.scalars import named


def canonical(root: Node, report: Report, losses: Losses) -> None:
    """Expand all short forms below a project's root; faults go to the report."""
    sections = root.value
    services = sections.get("services")
    if services is not None and type(services.value) is dict:
        for name, service in list(services.value.items()):
            if type(service.value) is dict:
                expand(name, service, report, losses)
                omit_empty(service)
    for kind in ("volumes", "networks", "secrets", "configs"):
        section = sections.get(kind)
        if section is not None and type(section.value) is dict:
            for resource in section.value.values():
                attempt(report, fold_external, resource)


def omit_empty(service: Node) -> None:
    """Compose drops empty DNS servers."""
    dns = service.value.get("dns")
    if dns is not None and type(dns.value) is list:
        dns.value = [item for item in dns.value if item.value not in (None, "")]


def expand(name: str, service: Node, report: Report, losses: Losses) -> None:
    mapping: dict[str, Node] = service.value
    for key, child in list(mapping.items()):
        transform = SERVICE.get(key)
        if transform is None:
            continue
        if key == "volumes":
            tell_unknown_options(child, report)
        try:
            new = transform(child)
        except Refusal as error:
            report.diagnostics += error.diagnostics
            losses.add("services", name, key)
            if not isinstance(error.rest, Node):
                del mapping[key]
                continue
            new = error.rest
        if new is not child:
            new.key = child.key
            new.earlier = new.earlier or child.earlier
            mapping[key] = new


def tell_unknown_options(mounts: Node, report: Report) -> None:
    for item in mounts.value if type(mounts.value) is list else ():
        for word in unknown_options(item.value) if type(item.value) is str else ():
            message = f"the mount {item.value!r} has the option {word!r}, which means nothing"
            hint = "options are: ro, rw, z, Z, nocopy, and how mounts propagate (rshared, rslave, …)"
            if all((d.code, d.span) != ("unknown-mount-option", item.span) for d in report):
                # a file that several services extend is read for each of them
                report.warning("unknown-mount-option", message, item.span, hint=hint)


def of_items(node: Node, transform: Callable[[Node], Node]) -> Node:
    """A list node with every item transformed. Raises one Refusal for all items, with the node of the others."""
    try:
        node.value = each_of(node.value, transform)
    except Refusal as error:
        node.value = error.rest
        raise Refusal(*error.diagnostics, rest=node) from None
    return node


def fold_external(node: Node) -> None:
    """`external: {name: x}` → `external: true`, `name: x`."""
    if type(node.value) is not dict:
        return
    external = node.value.get("external")
    if external is None or type(external.value) is not dict:
        return
    node.value["external"] = external.at(True)
    given = external.value.get("name")
    if given is None:
        return
    name = node.value.get("name")
    if name is None:
        node.value["name"] = given
    elif name.value != given.value:
        raise refusal(given, "name-conflict", "name and external.name differ; keep only name")


def wrong(node: Node, what: str) -> Refusal:
    shown = f"{node.value!r} is" if type(node.value) in (str, int, float) else "this is"
    return refusal(node, "wrong-type", f"{shown} no {what}")


def build(node: Node) -> Node:
    if type(node.value) is str:
        return node.at({"context": node})
    if type(node.value) is not dict:
        raise wrong(node, "build")
    faults: list[Diagnostic] = []
    for name, transform in BUILD.items():
        child = node.value.get(name)
        if child is None:
            continue
        try:
            node.value[name] = transform(child)
        except Refusal as error:
            faults += error.diagnostics
            del node.value[name]
    if faults:
        raise Refusal(*faults, rest=node)
    return node


def pairs(node: Node) -> Node:
    """A list of `key=value` → a mapping."""
    return mapped(node, pair)


def pair(item: Node) -> tuple[str, Node]:
    name, equals, value = printed(item.value).partition("=")
    if not equals:
        raise refusal(item, "bad-pair", f"{item.value!r} must be NAME=VALUE")
    return name, item.at(value)


def ssh(node: Node) -> Node:
    return mapped(node, ssh_key)


def ssh_key(item: Node) -> tuple[str, Node]:
    name, equals, value = printed(item.value).partition("=")
    if not equals and name != "default":
        raise refusal(item, "bad-ssh-key", f"{item.value!r} must be default or NAME=PATH")
    return name, item.at(value if equals else None)


def mapped(node: Node, entry: Callable[[Node], tuple[str, Node]]) -> Node:
    """A list as a mapping; a mapping as it is."""
    return node.at(dict(each_of(node.value, entry))) if type(node.value) is list else node


def names(node: Node) -> Node:
    """A list of names → a mapping from each to null."""
    return mapped(node, name_alone)


def name_alone(item: Node) -> tuple[str, Node]:
    if type(item.value) is not str:
        raise wrong(item, "name")
    return item.value, item.at(None)


def depends_on(node: Node) -> Node:
    if type(node.value) is list:
        return mapped(node, dependency_alone)
    if type(node.value) is not dict:
        raise wrong(node, "depends_on")
    for dependency in node.value.values():
        if type(dependency.value) is not dict:
            raise wrong(dependency, "dependency")
        dependency.value.setdefault("required", dependency.at(True))
    return node


STARTED = {"condition": "service_started", "required": True}


def dependency_alone(item: Node) -> tuple[str, Node]:
    return name_alone(item)[0], planted(STARTED, item)


def env_files(node: Node) -> Node:
    items = [node] if type(node.value) is str else node.value
    if type(items) is not list:
        raise wrong(node, "env_file")
    found = []
    for item in items:
        if type(item.value) is dict:
            item.value.setdefault("required", item.at(True))
            found.append(item)
        else:
            found.append(item.at({"path": item, "required": item.at(True)}))
    return node.at(found)


def listed(node: Node) -> Node:
    return node.at([node]) if type(node.value) is str else node


def extends(node: Node) -> Node:
    return node.at({"service": node}) if type(node.value) is str else node


def gpus(node: Node) -> Node:
    if type(node.value) is str:
        return planted([{"count": "all"}], node)
    return node


def file_references(node: Node) -> Node:
    if type(node.value) is list:
        node.value = [item.at({"source": item}) if type(item.value) is str else item for item in node.value]
    return node


def mounts(node: Node) -> Node:
    return of_items(node, mount) if type(node.value) is list else node


def mount(item: Node) -> Node:
    if type(item.value) is list:
        raise wrong(item, "mount")
    if type(item.value) is not str:
        return item
    long = parse_mount(item)
    target = long.value.get("target")
    if target is not None and target.value:
        target.value = clean(target.value)
    long.earlier = item.earlier
    return long


def devices(node: Node) -> Node:
    return of_items(node, device) if type(node.value) is list else node


def device(item: Node) -> Node:
    if type(item.value) is not str:
        return item
    parts = item.value.split(":")
    if len(parts) > 3:
        raise refusal(item, "bad-device", f"{item.value!r} has too many parts; use the long form")
    source = parts[0]
    target = (parts[1] if len(parts) > 1 else "") or source
    return planted({"source": source, "target": target, "permissions": parts[2] if len(parts) > 2 else "rwm"}, item)


def ulimits(node: Node) -> Node:
    """As they are; one that is neither a number nor a pair is refused right away, whatever a later file makes of it."""
    each_of(list(node.value.values()) if type(node.value) is dict else [], ulimit)
    return node


def ulimit(node: Node) -> Node:
    if type(node.value) not in (int, dict):
        raise refusal(node, "wrong-type", f"{named(node)} must be a number, or soft and hard")
    return node


def ports(node: Node) -> Node:
    if type(node.value) is not list:
        raise wrong(node, "list of ports")
    try:
        return node.at([port for item in each_of(node.value, ports_of) for port in item])
    except Refusal as error:
        rest = node.at([port for item in error.rest for port in item])
        raise Refusal(*error.diagnostics, rest=rest) from None


def ports_of(item: Node) -> list[Node]:
    if type(item.value) is str:
        return parse_ports(item)
    if type(item.value) is int:
        if item.value == 0:
            raise refusal(item, "bad-port", "port 0 does not exist")
        return [item.at({"target": item})]
    if type(item.value) is not dict:
        raise wrong(item, "port")
    return [item]


SERVICE: dict[str, Callable[[Node], Node]] = {
    "build": build,
    "depends_on": depends_on,
    "env_file": env_files,
    "label_file": listed,
    "extends": extends,
    "gpus": gpus,
    "networks": names,
    "models": names,
    "volumes": mounts,
    "dns": listed,
    "devices": devices,
    "secrets": file_references,
    "configs": file_references,
    "ports": ports,
    "ulimits": ulimits,
}
BUILD: dict[str, Callable[[Node], Node]] = {
    "secrets": file_references,
    "additional_contexts": pairs,
    "ssh": ssh,
    "ulimits": ulimits,
}
