"""A container as the API shows it: inspect and the entry of a list. Pure: what was looked up is handed in.

Source: Engine API v1.50, ContainerInspectResponse and ContainerSummary; where they are silent, dockerd's answers.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from engine.api.container_config import PortBinding
from engine.api.containers import ContainerInspect, ContainerState, ContainerSummary, Health, Port
from engine.api.mounts import MountPoint
from engine.api.networks import EndpointSettings
from engine.daemon.containers.moments import SECOND, human_duration, rfc3339
from engine.daemon.containers.phase import Phase
from engine.daemon.containers.record import Container, MountRecord
from engine.daemon.protocols import Attached

Ports = Mapping[str, Sequence[Mapping[str, str]] | None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an inspect needs beside the record. Sizes are None when nobody asked."""

    attached: Attached | None
    files: str  # the folder of hosts, hostname, resolv.conf
    exec_ids: list[str] | None
    root_mount: Mapping[str, Any] | None
    size_rw: int | None = None
    size_root: int | None = None


def inspect_view(container: Container, around: Surroundings) -> ContainerInspect:
    command = container.command
    made: dict[str, Any] = {
        "Id": container.id,
        "Created": rfc3339(container.created),
        "Path": command[0] if command else "",
        "Args": command[1:],
        "State": state_view(container),
        "Image": container.image,
        "ResolvConfPath": f"{around.files}/resolv.conf",
        "HostnamePath": f"{around.files}/hostname",
        "HostsPath": f"{around.files}/hosts",
        # The log is no json-file on the disk: who reads it asks the API.
        "LogPath": "",
        "Name": f"/{container.name}",
        "RestartCount": container.restarts,
        "Driver": "overlay2",
        "Platform": container.platform,
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": around.exec_ids,
        "HostConfig": container.host,
        "GraphDriver": {"Data": dict(around.root_mount or {}), "Name": "overlay2"},
        "Mounts": [mount_view(mount) for mount in container.mounts if mount.label != "tmpfs-flag"],
        "Config": container.config,
        "NetworkSettings": network_view(container, around.attached),
    }
    if around.size_rw is not None:
        made["SizeRw"] = around.size_rw
        made["SizeRootFs"] = around.size_root or 0
    return cast(ContainerInspect, made)


def state_view(container: Container) -> ContainerState:
    phase = container.phase
    made: ContainerState = {
        "Status": phase.value,
        "Running": phase.alive or phase is Phase.RESTARTING,
        "Paused": phase is Phase.PAUSED,
        "Restarting": phase is Phase.RESTARTING,
        "OOMKilled": container.oom_killed,
        "Dead": phase is Phase.DEAD,
        "Pid": container.pid,
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": rfc3339(container.started),
        "FinishedAt": rfc3339(container.finished),
    }
    if container.health is not None:
        made["Health"] = health_view(container)
    return made


def health_view(container: Container) -> Health:
    health = container.health
    assert health is not None
    log = [
        {"Start": rfc3339(p.start), "End": rfc3339(p.end), "ExitCode": p.code, "Output": p.output} for p in health.log
    ]
    return cast(Health, {"Status": health.status, "FailingStreak": health.streak, "Log": log})


def mount_view(mount: MountRecord) -> MountPoint:
    made: dict[str, Any] = {"Type": mount.kind}
    if mount.kind == "volume":
        made |= {"Name": mount.name, "Source": mount.source, "Destination": mount.destination, "Driver": mount.driver}
    else:
        source = mount.name if mount.kind == "image" else mount.source
        made |= {"Source": source, "Destination": mount.destination}
    made |= {"Mode": mount.mode, "RW": not mount.read_only, "Propagation": mount.propagation}
    return cast(MountPoint, made)


EMPTY_ENDPOINT: dict[str, Any] = {
    "IPAMConfig": None,
    "Links": None,
    "Aliases": None,
    "NetworkID": "",
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "MacAddress": "",
    "DriverOpts": None,
}


def endpoints_view(container: Container, attached: Attached | None) -> dict[str, EndpointSettings]:
    """What it has now; at rest what it asked for."""
    if attached is not None and container.phase.alive:
        return dict(attached.endpoints)
    made = {}
    for name, asked in container.endpoints.items():
        known = {key: value for key, value in asked.items() if value is not None}
        made[name] = cast(EndpointSettings, {**EMPTY_ENDPOINT, **known})
    return made


def ports_view(container: Container, attached: Attached | None) -> Ports:
    if not container.phase.alive:
        return {}
    exposed: dict[str, Any] = {
        (port if "/" in port else f"{port}/tcp"): None for port in container.config.get("ExposedPorts") or {}
    }
    return {**exposed, **(attached.ports if attached is not None else {})}


def network_view(container: Container, attached: Attached | None) -> dict[str, Any]:
    endpoints = endpoints_view(container, attached)
    first: Mapping[str, Any] = endpoints.get("bridge") or {}
    pid = container.pid
    return {
        "Bridge": "",
        "SandboxID": container.id if pid and not container.network_mode.startswith("container:") else "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": ports_view(container, attached),
        "SandboxKey": f"/proc/{pid}/ns/net" if pid else "",
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": first.get("EndpointID") or "",
        "Gateway": first.get("Gateway") or "",
        "GlobalIPv6Address": first.get("GlobalIPv6Address") or "",
        "GlobalIPv6PrefixLen": first.get("GlobalIPv6PrefixLen") or 0,
        "IPAddress": first.get("IPAddress") or "",
        "IPPrefixLen": first.get("IPPrefixLen") or 0,
        "IPv6Gateway": first.get("IPv6Gateway") or "",
        "MacAddress": first.get("MacAddress") or "",
        "Networks": endpoints,
    }


# --- lists ---------------------------------------------------------------------------------------------------------
def summary_view(
    container: Container,
    attached: Attached | None,
    now: int,
    *,
    image_name: str,
    size_rw: int | None = None,
    size_root: int | None = None,
) -> ContainerSummary:
    made: dict[str, Any] = {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": image_name,
        "ImageID": container.image,
        "Command": command_text(container),
        "Created": container.created // SECOND,
        "Ports": port_list(ports_view(container, attached)),
        "Labels": container.labels,
        "State": container.phase.value,
        "Status": status_text(container, now),
        "HostConfig": {"NetworkMode": container.host.get("NetworkMode") or "default"},
        "NetworkSettings": {"Networks": endpoints_view(container, attached)},
        "Mounts": [mount_view(mount) for mount in container.mounts if mount.label != "tmpfs-flag"],
    }
    if size_rw is not None:
        made["SizeRw"], made["SizeRootFs"] = size_rw, size_root or 0
    return cast(ContainerSummary, made)


def command_text(container: Container) -> str:
    words = container.command
    if not words:
        return ""
    return " ".join([words[0], *(shlex.quote(word) if " " in word else word for word in words[1:])])


def port_list(ports: Ports) -> list[Port]:
    made: list[Port] = []
    for port, bindings in ports.items():
        number, _, kind = port.partition("/")
        if not number.isdecimal():
            continue
        private: Port = {"PrivatePort": int(number), "Type": kind or "tcp"}
        if not bindings:
            made.append(private)
        for binding in cast(Sequence[PortBinding], bindings or []):
            if (binding.get("HostPort") or "").isdecimal():
                made.append({"IP": binding.get("HostIp") or "", **private, "PublicPort": int(binding["HostPort"])})
    return made


def status_text(container: Container, now: int) -> str:
    """As `docker ps` shows it: "Up 5 seconds (healthy)", "Exited (0) 2 minutes ago"."""
    phase = container.phase
    if phase.alive:
        text = f"Up {human_duration((now - container.started) / SECOND)}"
        if phase is Phase.PAUSED:
            return f"{text} (Paused)"
        if container.health is not None:
            status = container.health.status
            return f"{text} ({'health: starting' if status == 'starting' else status})"
        return text
    since = human_duration((now - container.finished) / SECOND)
    if phase is Phase.RESTARTING:
        return f"Restarting ({container.exit_code}) {since} ago"
    if phase is Phase.CREATED:
        return "Created"
    if phase is Phase.REMOVING:
        return "Removal In Progress"
    return "Dead" if phase is Phase.DEAD else f"Exited ({container.exit_code}) {since} ago"
