"""Defaults that need no other part of the project, and checks of single values, after all files are merged."""

from __future__ import annotations

from specs.losses import Losses
from specs.node import Node
from specs.resolve.refusal import refusal
from specs.resolve.short import is_ip
from specs.source import Report


def items(node: Node | None) -> list[Node]:
    return node.value if node is not None and type(node.value) is list else []


def set_defaults(root: Node) -> None:
    services = root.get("services")
    for service in services.value.values() if services is not None else ():
        if type(service.value) is not dict:
            continue
        build = service.value.get("build")
        if build is not None and type(build.value) is dict:
            build.value.setdefault("context", build.at("."))
        for secret in items(service.value.get("secrets")):
            source = secret.value.get("source") if type(secret.value) is dict else None
            if source is not None and "target" not in secret.value:
                secret.value["target"] = secret.at(f"/run/secrets/{source.value}")
        for port in items(service.value.get("ports")):
            if type(port.value) is dict:
                port.value.setdefault("protocol", port.at("tcp"))
                port.value.setdefault("mode", port.at("ingress"))
        for device in device_requests(service):
            if type(device.value) is dict and "count" not in device.value and "device_ids" not in device.value:
                device.value["count"] = device.at("all")


def device_requests(service: Node) -> list[Node]:
    return items(service.get("gpus")) + items(service.get("deploy", "resources", "reservations", "devices"))


def check_values(root: Node, report: Report, losses: Losses) -> None:
    """What Compose refuses about single objects, beyond the schema."""
    for kind, keys in (("configs", ("file", "environment", "content")), ("secrets", ("file", "environment"))):
        section = root.get(kind)
        for name, resource in section.value.items() if section is not None else ():
            check_source(resource, kind, name, keys, report, losses)
    volumes = root.get("volumes")
    for name, volume in volumes.value.items() if volumes is not None else ():
        check_external_volume(name, volume, report)
    services = root.get("services")
    for service in services.value.values() if services is not None else ():
        if type(service.value) is dict:
            check_service(service, report)


def complain(report: Report, node: Node, code: str, message: str) -> None:
    report.diagnostics += refusal(node, code, message).diagnostics


def check_source(resource: Node, kind: str, name: str, keys: tuple[str, ...], report: Report, losses: Losses) -> None:
    given = [key for key in keys if key in resource.value]
    path = f"{kind}.{name}"
    if len(given) > 1:
        message = f"{path}: only one of {', '.join(keys)} may be set"
        complain(report, resource.value[given[1]], "exclusive-keys", message)
    enough = (*keys, "driver", "external")
    if not any(key in resource.value or losses.touch(kind, name, key) for key in enough):
        complain(report, resource, "missing-key", f"{path}: one of {', '.join(keys)} must be set")


def check_external_volume(name: str, volume: Node, report: Report) -> None:
    if type(volume.value) is not dict:
        return
    external = volume.value.get("external")
    if external is None or external.value is not True:
        return
    for key, child in volume.value.items():
        if key not in {"name", "external"} and not key.startswith("x-"):
            message = f"volumes.{name}: an external volume takes no {key}; it exists already"
            complain(report, child, "exclusive-keys", message)


def check_service(service: Node, report: Report) -> None:
    for port in items(service.value.get("ports")):
        host = port.get("host_ip")
        if host is not None and type(host.value) is str and not is_ip(host.value):
            complain(report, host, "bad-port", f"{host.value!r} is not an IP address")
    for rule in items(service.get("develop", "watch")):
        path = rule.get("path")
        if path is not None and path.value == "":
            complain(report, path, "missing-value", "the path to watch can't be empty")
    for device in device_requests(service):
        if type(device.value) is dict and "count" in device.value and "device_ids" in device.value:
            complain(report, device.value["count"], "exclusive-keys", "only one of count, device_ids may be set")
