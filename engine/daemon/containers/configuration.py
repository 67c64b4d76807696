"""From the body of a create to a container's whole configuration: merged with the image's, defaults filled.

Pure; `refusals` has judged the body before. Source: dockerd's merge rules; Engine API v1.50, HostConfig.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from engine.api.container_config import ContainerConfig, HealthConfig, HostConfig
from engine.api.containers import ContainerCreate
from engine.api.errors import InvalidArgument

MIB = 1 << 20
SHM_BYTES = 64 * MIB
MASKED = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
CONFIG_KEYS = ContainerConfig.__annotations__
NULL_IS_A_VALUE = ("PortBindings", "ExposedPorts", "Volumes")
EMPTY_CONFIG: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": [],
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": {},
}
EMPTY_HOST: dict[str, Any] = {
    "Binds": None,
    "ContainerIDFile": "",
    "LogConfig": {"Type": "json-file", "Config": {}},
    "NetworkMode": "default",
    "PortBindings": {},
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "AutoRemove": False,
    "VolumeDriver": "",
    "VolumesFrom": None,
    "CapAdd": None,
    "CapDrop": None,
    "CgroupnsMode": "",
    "Dns": [],
    "DnsOptions": [],
    "DnsSearch": [],
    "ExtraHosts": None,
    "GroupAdd": None,
    "IpcMode": "private",
    "Cgroup": "",
    "Links": None,
    "OomScoreAdj": 0,
    "PidMode": "",
    "Privileged": False,
    "PublishAllPorts": False,
    "ReadonlyRootfs": False,
    "SecurityOpt": None,
    "UTSMode": "",
    "UsernsMode": "",
    "ShmSize": SHM_BYTES,
    "Runtime": "",
    "ConsoleSize": [0, 0],
    "Isolation": "",
    "CpuShares": 0,
    "Memory": 0,
    "NanoCpus": 0,
    "CgroupParent": "",
    "BlkioWeight": 0,
    "BlkioWeightDevice": None,
    "BlkioDeviceReadBps": None,
    "BlkioDeviceWriteBps": None,
    "BlkioDeviceReadIOps": None,
    "BlkioDeviceWriteIOps": None,
    "CpuPeriod": 0,
    "CpuQuota": 0,
    "CpuRealtimePeriod": 0,
    "CpuRealtimeRuntime": 0,
    "CpusetCpus": "",
    "CpusetMems": "",
    "Devices": None,
    "DeviceCgroupRules": None,
    "DeviceRequests": None,
    "KernelMemory": 0,
    "KernelMemoryTCP": 0,
    "MemoryReservation": 0,
    "MemorySwap": 0,
    "MemorySwappiness": None,
    "OomKillDisable": False,
    "PidsLimit": None,
    "Ulimits": None,
    "CpuCount": 0,
    "CpuPercent": 0,
    "IOMaximumIOps": 0,
    "IOMaximumBandwidth": 0,
}
# Read anew for each container: several times as fast as a deep copy.
EMPTY_HOST_TEXT = json.dumps(EMPTY_HOST)


def split_body(body: ContainerCreate) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config and the host config of a create's body; unset keys are left out, null being unset at any depth."""
    config = {key: known(key, value) for key, value in body.items() if key in CONFIG_KEYS and value is not None}
    host = {key: known(key, value) for key, value in (body.get("HostConfig") or {}).items() if value is not None}
    return copy.deepcopy(config), copy.deepcopy(host)


def known(key: str, value: Any) -> Any:
    return value if key in NULL_IS_A_VALUE else without_nulls(value)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value if inner is not None]
    return value


def merged_config(asked: Mapping[str, Any], image: Mapping[str, Any]) -> ContainerConfig:
    """The user's words over the image's. Raises InvalidArgument when there is nothing to run."""
    made: dict[str, Any] = {**EMPTY_CONFIG, **asked}
    for key in ("User", "WorkingDir", "StopSignal"):
        if not made.get(key) and image.get(key):
            made[key] = image[key]
    for key in ("ExposedPorts", "Volumes", "Labels"):
        both = {**(image.get(key) or {}), **(made.get(key) or {})}
        if both or key == "Labels":
            made[key] = both
        elif key in made:
            made[key] = None
    made["Env"] = merged_env(asked.get("Env") or [], image.get("Env") or [])
    if not made.get("Entrypoint"):
        if not made.get("Cmd"):
            made["Cmd"] = list(image.get("Cmd") or []) or None
        if asked.get("Entrypoint") is None and image.get("Entrypoint"):
            made["Entrypoint"] = list(image["Entrypoint"] or [])
    if made.get("Entrypoint") == [""]:
        made["Entrypoint"] = None
    if image.get("Shell") and not made.get("Shell"):
        made["Shell"] = image["Shell"]
    if health := merged_health(asked.get("Healthcheck"), image.get("Healthcheck")):
        made["Healthcheck"] = health
    if image.get("ArgsEscaped"):
        made["ArgsEscaped"] = True
    if not (made.get("Entrypoint") or made.get("Cmd")):
        raise InvalidArgument("No command specified")
    return cast(ContainerConfig, made)


def merged_env(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    known = {entry.partition("=")[0] for entry in ours}
    return [*ours, *(entry for entry in theirs if entry.partition("=")[0] not in known)]


def merged_health(ours: HealthConfig | None, theirs: HealthConfig | None) -> HealthConfig | None:
    """Unset members (0, []) come from the image."""
    if not ours:
        return theirs
    made: dict[str, Any] = {**(theirs or {})}
    made.update({key: value for key, value in ours.items() if value})
    return cast(HealthConfig, made) if made else None


def whole_host(asked: Mapping[str, Any], *, cgroup_version: int, runtime: str) -> HostConfig:
    """Every key that an inspect shows."""
    made: dict[str, Any] = {**json.loads(EMPTY_HOST_TEXT), **asked}
    made["NetworkMode"] = made["NetworkMode"] or "default"
    made["IpcMode"] = made["IpcMode"] or "private"
    made["CgroupnsMode"] = made["CgroupnsMode"] or ("private" if cgroup_version == 2 else "host")
    made["ShmSize"] = made["ShmSize"] or SHM_BYTES
    made["Runtime"] = made["Runtime"] or runtime
    made["LogConfig"] = {"Type": (made["LogConfig"] or {}).get("Type") or "json-file", "Config": {}} | {
        "Config": (made["LogConfig"] or {}).get("Config") or {}
    }
    policy = made["RestartPolicy"] or {}
    made["RestartPolicy"] = {
        "Name": policy.get("Name") or "no",
        "MaximumRetryCount": policy.get("MaximumRetryCount") or 0,
    }
    # What stands for "as it is" is shown as not said.
    made["MemorySwappiness"] = None if made["MemorySwappiness"] == -1 else made["MemorySwappiness"]
    made["PidsLimit"] = made["PidsLimit"] or None
    if made["Memory"] > 0 and made["MemorySwap"] == 0:
        made["MemorySwap"] = 2 * made["Memory"]
    privileged = made["Privileged"] or "systempaths=unconfined" in (made["SecurityOpt"] or [])
    made.setdefault("MaskedPaths", None if privileged else list(MASKED))
    made.setdefault("ReadonlyPaths", None if privileged else list(READ_ONLY))
    return cast(HostConfig, made)
