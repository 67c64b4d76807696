"""The last steps, on typed values: profiles, selected services, what nobody uses, environment files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from specs.losses import Losses
from specs.node import Node
from specs.resolve.environment import service_environment, service_labels
from specs.resolve.interpolate import Variables
from specs.resolve.refusal import Refusal
from specs.source import Report
from specs.typed.kinds import EXTENSIONS
from specs.typed.service import SECTIONS, SERVICE_KIND

Values = dict[str, Any]


def typed(root: Node, report: Report, losses: Losses) -> Values:
    """The whole tree as typed values; names sorted, as Compose prints them. What is no value is left out."""
    values: Values = {"services": section(root, "services", SERVICE_KIND.decode, report, losses)}
    for kind, shape in SECTIONS.items():
        values[kind] = section(root, kind, shape.decode, report, losses)
    return values


def section(root: Node, kind: str, decode: Any, report: Report, losses: Losses) -> Values:
    node = root.get(kind)
    found: Values = {}
    if node is None or type(node.value) is not dict:
        return found
    for name in sorted(node.value):
        child = node.value[name]
        try:
            found[name] = decode(child if child.value is not None else child.at({}))
        except Refusal as error:
            report.diagnostics += error.diagnostics
            if error.rest is None:
                losses.add(kind, name)
                continue
            found[name] = error.rest
            for key in error.lost:
                losses.add(kind, name, key)
    return found


def split_by_profiles(services: Values, profiles: Iterable[str]) -> tuple[Values, Values]:
    """Those that are on, and those that are off."""
    wanted = set(profiles)
    if "*" in wanted:
        return services, {}
    on: Values = {}
    off: Values = {}
    for name, service in services.items():
        own = service.get("profiles")
        (on if not own or not wanted.isdisjoint(own) else off)[name] = service
    return on, off


def agree_on_replicas(services: Values) -> None:
    """`scale` is what `deploy.replicas` says too, where there is a deploy."""
    for service in services.values():
        deploy = service.get("deploy")
        if deploy is not None and service.get("scale") is not None:
            mode = {"mode": deploy["mode"]} if "mode" in deploy else {}
            service["deploy"] = mode | {"replicas": None} | deploy | {"replicas": service["scale"]}


def resolve_files(
    root: Node, services: Values, variables: Variables, report: Report, *, environment: bool
) -> dict[str, Values]:
    """env_file and label_file folded in and gone; what comes back is both, and the environment before, by service."""
    folded: dict[str, Values] = {}
    for name, service in services.items():
        node = root.get("services", name)
        assert node is not None
        try:
            if environment and "env_file" in service:
                folded[name] = {"env_file": service.pop("env_file"), "environment": service.get("environment")}
            if environment:
                found = service_environment(node, service, variables, report)
                put(service, "environment", dict(sorted(found.items())) or None)
            if service.get("label_file") or service.get("labels"):
                put(service, "labels", dict(sorted(service_labels(node, service).items())) or None)
        except Refusal as error:
            report.diagnostics += error.diagnostics
        if "label_file" in service:
            folded.setdefault(name, {})["label_file"] = service.pop("label_file")
    return folded


def put(service: Values, key: str, value: Any) -> None:
    """Set a field in its place in the order of fields."""
    if value is None:
        service.pop(key, None)
    elif key in service:
        service[key] = value
    else:
        fields = SERVICE_KIND.fields
        assert fields is not None
        service[key] = value
        ordered = {name: service[name] for name in (*fields, EXTENSIONS) if name in service}
        service.clear()
        service.update(ordered)


def drop_unused(values: Values) -> None:
    """Networks, volumes, secrets, configs and models that no active service uses."""
    used: dict[str, set[str]] = {kind: set() for kind in SECTIONS}
    for service in values["services"].values():
        used["networks"].update(service.get("networks") or ())
        used["models"].update(service.get("models") or ())
        for mount in service.get("volumes") or ():
            if mount.get("type") == "volume" and mount.get("source"):
                used["volumes"].add(mount["source"])
        build = service.get("build") or {}
        for kind in ("secrets", "configs"):
            used[kind].update(each.get("source") for each in service.get(kind) or ())
        used["secrets"].update(each.get("source") for each in build.get("secrets") or ())
    for image in (values.get("typed_images") or {}).values():
        used["secrets"].update(each.get("source") for each in (image.get("build") or {}).get("secrets") or ())
    for kind, names in used.items():
        values[kind] = {name: resource for name, resource in values[kind].items() if name in names}


def select(values: Values, names: list[str]) -> None:
    """Only these services and what they depend on."""
    services: Values = values["services"]
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in wanted or name not in services:
            continue
        wanted.add(name)
        waiting += services[name].get("depends_on") or ()
    for name in [name for name in services if name not in wanted]:
        values["disabled_services"][name] = services.pop(name)
    for service in services.values():
        if "depends_on" in service:
            kept = {name: item for name, item in service["depends_on"].items() if name in wanted}
            put(service, "depends_on", kept or None)
