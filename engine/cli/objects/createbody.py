"""From the flags of `container run` and `create` to the body of the API's create. Reads the files that flags name."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import typer

from engine.api.errors import InvalidArgument
from engine.cli.execs import environment
from engine.cli.objects.amounts import bytes_from, duration, nano_cpus, pairs, restart_policy
from engine.cli.objects.createflags import LimitFlags, PlaceFlags, ProcessFlags
from specs.node import Node, plain
from specs.resolve.refusal import Refusal
from specs.resolve.short import parse_ports

MOUNT_WORDS = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


def body_of(
    image: str, command: list[str], process: ProcessFlags, place: PlaceFlags, limits: LimitFlags, *, attached: bool
) -> dict[str, Any]:
    """Raises BadParameter for what can't be meant; what may be said is the engine's to judge."""
    bindings, exposed = ports_of(place)
    body: dict[str, Any] = {
        "Image": image,
        "Cmd": command or None,
        "Env": [*from_files(process.env_file), *environment(process.env or ())],
        "WorkingDir": process.workdir,
        "User": process.user,
        "Hostname": process.hostname,
        "Domainname": process.domainname,
        "Labels": {**pairs(from_files(process.label_file)), **pairs(process.label)},
        "Tty": process.tty,
        "OpenStdin": process.interactive,
        "StdinOnce": process.interactive and attached,
        "AttachStdin": process.interactive and attached,
        "AttachStdout": attached,
        "AttachStderr": attached,
        "StopSignal": process.stop_signal,
        "ExposedPorts": exposed,
        "Volumes": {text: {} for text in place.volume or () if ":" not in text},
        "MacAddress": place.mac_address,
        "HostConfig": host_of(process, place, limits, bindings),
    }
    if process.entrypoint is not None:
        body["Entrypoint"] = [process.entrypoint]
    if process.stop_timeout is not None:
        body["StopTimeout"] = process.stop_timeout
    if health := health_of(process):
        body["Healthcheck"] = health
    if endpoints := endpoints_of(place):
        body["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    return body


def host_of(
    process: ProcessFlags, place: PlaceFlags, limits: LimitFlags, bindings: dict[str, list[dict[str, str]]]
) -> dict[str, Any]:
    return {
        "AutoRemove": process.rm,
        "Init": process.init or None,
        "RestartPolicy": restart_policy(process.restart),
        "Runtime": process.runtime,
        "Annotations": pairs(process.annotation),
        "GroupAdd": process.group_add,
        "LogConfig": {"Type": process.log_driver, "Config": pairs(process.log_opt)},
        "Binds": [absolute(text) for text in place.volume or () if ":" in text],
        "Mounts": [mount_of(text) for text in place.mount or ()],
        "Tmpfs": {path: options for path, _, options in (text.partition(":") for text in place.tmpfs or ())},
        "VolumesFrom": place.volumes_from,
        "VolumeDriver": place.volume_driver,
        "ReadonlyRootfs": place.read_only,
        "ShmSize": bytes_from(place.shm_size, "--shm-size") or 0,
        "Devices": [device_of(text) for text in place.device or ()],
        "DeviceCgroupRules": place.device_cgroup_rule,
        "PortBindings": bindings,
        "PublishAllPorts": place.publish_all,
        "NetworkMode": (place.network or ["default"])[0],
        "Links": place.link,
        "ExtraHosts": place.add_host,
        "Dns": place.dns or [],
        "DnsOptions": place.dns_option or [],
        "DnsSearch": place.dns_search or [],
        "PidMode": place.pid,
        "IpcMode": place.ipc,
        "UTSMode": place.uts,
        "UsernsMode": place.userns,
        "CgroupnsMode": place.cgroupns,
        "Privileged": limits.privileged,
        "CapAdd": limits.cap_add,
        "CapDrop": limits.cap_drop,
        "SecurityOpt": [security_of(text) for text in limits.security_opt or ()],
        "Sysctls": pairs(limits.sysctl),
        "Ulimits": [ulimit_of(text) for text in limits.ulimit or ()],
        "Memory": bytes_from(limits.memory, "--memory") or 0,
        "MemoryReservation": bytes_from(limits.memory_reservation, "--memory-reservation") or 0,
        "MemorySwap": bytes_from(limits.memory_swap, "--memory-swap") or 0,
        "MemorySwappiness": limits.memory_swappiness,
        "NanoCpus": nano_cpus(limits.cpus) or 0,
        "CpuShares": limits.cpu_shares,
        "CpuPeriod": limits.cpu_period,
        "CpuQuota": limits.cpu_quota,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "PidsLimit": limits.pids_limit,
        "BlkioWeight": limits.blkio_weight,
        "OomScoreAdj": limits.oom_score_adj,
        "OomKillDisable": limits.oom_kill_disable,
        "CgroupParent": limits.cgroup_parent,
    }


def from_files(files: list[str] | None) -> list[str]:
    """`NAME=VALUE` a line; `NAME` alone as it is here, and left out where it isn't. `#` begins a comment."""
    found: list[str] = []
    for file in files or ():
        for line in Path(file).read_text().splitlines():
            text = line.lstrip()
            if text and not text.startswith("#"):
                found += [text] if "=" in text else environment([text.strip()])
    return found


def health_of(process: ProcessFlags) -> dict[str, Any]:
    made = {
        "Interval": duration(process.health_interval, "--health-interval"),
        "Timeout": duration(process.health_timeout, "--health-timeout"),
        "StartPeriod": duration(process.health_start_period, "--health-start-period"),
        "StartInterval": duration(process.health_start_interval, "--health-start-interval"),
        "Retries": process.health_retries,
    }
    if process.no_healthcheck:
        if process.health_cmd is not None or any(made.values()):
            raise typer.BadParameter("--no-healthcheck goes with no other --health flag")
        return {"Test": ["NONE"]}
    if process.health_cmd is not None:
        return {"Test": ["CMD-SHELL", process.health_cmd], **made}
    return made if any(made.values()) else {}


def absolute(text: str) -> str:
    """A source that begins with `.` or `~` is a folder here."""
    source, colon, rest = text.partition(":")
    if source.startswith((".", "~")):
        source = os.path.abspath(os.path.expanduser(source))
    return f"{source}{colon}{rest}"


def mount_of(text: str) -> dict[str, Any]:
    """`type=bind,source=./a,target=/a,readonly`. Raises BadParameter for a word that is unknown."""
    made: dict[str, Any] = {"Type": "volume"}
    for word in next(csv.reader([text])):
        key, sign, value = word.partition("=")
        key = MOUNT_WORDS.get(key.lower(), key.lower())
        on = not sign or value.lower() in {"true", "1"}
        match key:
            case "type" | "source" | "target" | "consistency":
                made[key.capitalize()] = value
            case "readonly":
                made["ReadOnly"] = on
            case "bind-propagation":
                made.setdefault("BindOptions", {})["Propagation"] = value
            case "bind-create-src":
                made.setdefault("BindOptions", {})["CreateMountpoint"] = on
            case "volume-nocopy":
                made.setdefault("VolumeOptions", {})["NoCopy"] = on
            case "volume-subpath":
                made.setdefault("VolumeOptions", {})["Subpath"] = value
            case "volume-label":
                made.setdefault("VolumeOptions", {}).setdefault("Labels", {}).update(pairs([value]))
            case "volume-driver":
                made.setdefault("VolumeOptions", {}).setdefault("DriverConfig", {})["Name"] = value
            case "volume-opt":
                driver = made.setdefault("VolumeOptions", {}).setdefault("DriverConfig", {})
                driver.setdefault("Options", {}).update(pairs([value]))
            case "image-subpath":
                made.setdefault("ImageOptions", {})["Subpath"] = value
            case "tmpfs-size":
                made.setdefault("TmpfsOptions", {})["SizeBytes"] = bytes_from(value, "tmpfs-size")
            case "tmpfs-mode":
                made.setdefault("TmpfsOptions", {})["Mode"] = octal(value)
            case _:
                raise typer.BadParameter(f'--mount: unexpected key "{key}" in "{text}"')
    if made["Type"] == "bind" and str(made.get("Source", "")).startswith("."):
        made["Source"] = os.path.abspath(made["Source"])
    return made


def octal(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError:
        raise typer.BadParameter(f'--mount: tmpfs-mode "{text}" is no octal number, such as 1777') from None


def device_of(text: str) -> dict[str, str]:
    host, *rest = text.split(":")
    access = rest.pop() if rest and not rest[-1].startswith("/") else "rwm"
    return {"PathOnHost": host, "PathInContainer": rest[0] if rest else host, "CgroupPermissions": access}


def ulimit_of(text: str) -> dict[str, Any]:
    name, _, values = text.partition("=")
    soft, _, hard = values.partition(":")
    try:
        return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}
    except ValueError:
        raise typer.BadParameter(f'--ulimit takes NAME=SOFT[:HARD], not "{text}"') from None


def security_of(text: str) -> str:
    """A seccomp profile goes to the engine whole: it may be on another machine."""
    name, sign, value = text.partition("=")
    if name == "seccomp" and sign and value not in {"unconfined", "builtin"}:
        return f"seccomp={Path(value).read_text()}"
    return text


def ports_of(place: PlaceFlags) -> tuple[dict[str, list[dict[str, str]]], dict[str, dict[str, Any]]]:
    """→ (PortBindings, ExposedPorts). Raises InvalidArgument."""
    bindings: dict[str, list[dict[str, str]]] = {}
    exposed: dict[str, dict[str, Any]] = {}
    for flag, texts in (("--publish", place.publish), ("--expose", place.expose)):
        for text in texts or ():
            try:
                found = [plain(node) for node in parse_ports(Node(text))]
            except Refusal as refusal:
                raise InvalidArgument(f"{flag}: {refusal.diagnostic.message}") from None
            for port in found:
                key = f"{port['target']}/{port['protocol']}"
                exposed[key] = {}
                if flag == "--publish":
                    at = {"HostIp": port.get("host_ip") or "", "HostPort": port.get("published") or ""}
                    bindings.setdefault(key, []).append(at)
    return bindings, exposed


def endpoints_of(place: PlaceFlags) -> dict[str, Any]:
    """One for each network; address and aliases are the first one's."""
    names = place.network or []
    first: dict[str, Any] = {}
    if place.network_alias:
        first["Aliases"] = place.network_alias
    fixed = {key: text for key, text in (("IPv4Address", place.ip), ("IPv6Address", place.ip6)) if text}
    if fixed:
        first["IPAMConfig"] = fixed
    if not first and len(names) < 2:
        return {}
    return {name: first if position == 0 else {} for position, name in enumerate(names or ["default"])}
