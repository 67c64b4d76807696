"""A container of a list as a row: the fields that `ps` and `container ls` show. Pure."""

from __future__ import annotations

import re
from typing import Any

from engine.api.containers import ContainerSummary
from engine.cli.members import labels_of, name_of, service_of
from engine.cli.render.amounts import created_at, decimal_size, display_ports, human_duration
from engine.plan.lower.naming import PROJECT

COMMAND_WIDTH = 20


def row_of(container: ContainerSummary, now: float, *, whole: bool) -> dict[str, Any]:
    status, command = container.get("Status") or "", container.get("Command") or ""
    if not whole and len(command) > COMMAND_WIDTH:
        command = f"{command[: COMMAND_WIDTH - 1]}…"
    code = re.match(r"(?:Exited|Restarting) \((-?\d+)\)", status)
    health = re.search(r"\((?:health: )?(starting|healthy|unhealthy)\)", status)
    mounts = container.get("Mounts") or []
    labels = labels_of(container)
    size = container.get("SizeRw") or 0
    return {
        "ID": container["Id"] if whole else container["Id"][:12],
        "Name": name_of(container),
        "Names": ",".join(name.lstrip("/") for name in container.get("Names") or ()),
        "Image": container.get("Image") or "",
        "Command": f'"{command}"',
        "Project": labels.get(PROJECT, ""),
        "Service": service_of(container),
        "CreatedAt": created_at(container.get("Created") or 0),
        "RunningFor": f"{human_duration(now - (container.get('Created') or 0))} ago",
        "State": container.get("State") or "",
        "Status": status,
        "Health": health.group(1) if health else "",
        "ExitCode": int(code.group(1)) if code else 0,
        "Ports": display_ports(container.get("Ports") or ()),
        "Publishers": publishers(container),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "Mounts": ",".join(mount.get("Name") or mount.get("Source") or "" for mount in mounts),
        "LocalVolumes": str(sum(1 for mount in mounts if mount.get("Driver") == "local")),
        "Networks": ",".join((container.get("NetworkSettings") or {}).get("Networks") or ()),
        "Size": decimal_size(size),
    }


def publishers(container: ContainerSummary) -> list[dict[str, Any]]:
    return [
        {
            "URL": port.get("IP", ""),
            "TargetPort": port.get("PrivatePort", 0),
            "PublishedPort": port.get("PublicPort", 0),
            "Protocol": port.get("Type", "tcp"),
        }
        for port in container.get("Ports") or ()
    ]
