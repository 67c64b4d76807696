"""The JSON's types: a body that isn't what the schema says is the client's fault, told at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.api.errors import InvalidArgument

Shape = type | tuple[type, ...]
TEXTS = "texts"
OBJECTS = "objects"
LISTS = "lists of texts"
CONFIG_TYPES: dict[str, Any] = {
    **dict.fromkeys(["Hostname", "Domainname", "User", "Image", "WorkingDir", "MacAddress", "StopSignal"], str),
    **dict.fromkeys(
        [
            "AttachStdin",
            "AttachStdout",
            "AttachStderr",
            "Tty",
            "OpenStdin",
            "StdinOnce",
            "ArgsEscaped",
            "NetworkDisabled",
        ],
        bool,
    ),
    **dict.fromkeys(["Env", "Cmd", "Entrypoint", "OnBuild", "Shell"], TEXTS),
    **dict.fromkeys(["ExposedPorts", "Volumes", "Labels", "Healthcheck"], dict),
    "StopTimeout": int,
}
HEALTH_TYPES: dict[str, Any] = {
    "Test": TEXTS,
    **dict.fromkeys(["Interval", "Timeout", "Retries", "StartPeriod", "StartInterval"], int),
}
HOST_TYPES: dict[str, Any] = {
    **dict.fromkeys(
        [
            "NetworkMode",
            "VolumeDriver",
            "CgroupnsMode",
            "IpcMode",
            "Cgroup",
            "PidMode",
            "UTSMode",
            "UsernsMode",
            "Runtime",
            "Isolation",
            "CgroupParent",
            "CpusetCpus",
            "CpusetMems",
            "ContainerIDFile",
        ],
        str,
    ),
    **dict.fromkeys(["AutoRemove", "Privileged", "PublishAllPorts", "ReadonlyRootfs", "OomKillDisable", "Init"], bool),
    **dict.fromkeys(
        [
            "Binds",
            "VolumesFrom",
            "CapAdd",
            "CapDrop",
            "Dns",
            "DnsOptions",
            "DnsSearch",
            "ExtraHosts",
            "GroupAdd",
            "Links",
            "SecurityOpt",
            "DeviceCgroupRules",
            "MaskedPaths",
            "ReadonlyPaths",
        ],
        TEXTS,
    ),
    **dict.fromkeys(
        ["LogConfig", "PortBindings", "RestartPolicy", "StorageOpt", "Tmpfs", "Sysctls", "Annotations"], dict
    ),
    **dict.fromkeys(
        [
            "OomScoreAdj",
            "ShmSize",
            "CpuShares",
            "Memory",
            "NanoCpus",
            "BlkioWeight",
            "CpuPeriod",
            "CpuQuota",
            "CpuRealtimePeriod",
            "CpuRealtimeRuntime",
            "KernelMemory",
            "KernelMemoryTCP",
            "MemoryReservation",
            "MemorySwap",
            "MemorySwappiness",
            "PidsLimit",
        ],
        int,
    ),
    **dict.fromkeys(
        [
            "Mounts",
            "Devices",
            "DeviceRequests",
            "Ulimits",
            "BlkioWeightDevice",
            "BlkioDeviceReadBps",
            "BlkioDeviceWriteBps",
            "BlkioDeviceReadIOps",
            "BlkioDeviceWriteIOps",
        ],
        OBJECTS,
    ),
}
MEMBERS: dict[str, dict[str, Any]] = {
    "Mounts": {
        "Target": str,
        "Source": str,
        "Type": str,
        "ReadOnly": bool,
        **dict.fromkeys(["BindOptions", "VolumeOptions", "TmpfsOptions", "ImageOptions"], dict),
    },
    "Devices": dict.fromkeys(["PathOnHost", "PathInContainer", "CgroupPermissions"], str),
    "Ulimits": {"Name": str, "Soft": int, "Hard": int},
    "BlkioWeightDevice": {"Path": str, "Weight": int},
    **{
        key: {"Path": str, "Rate": int}
        for key in ["BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps"]
    },
    "DeviceRequests": {"Driver": str, "Count": int, "DeviceIDs": TEXTS, "Options": dict},
}
NESTED: dict[str, dict[str, Any]] = {
    "BindOptions": {
        "Propagation": str,
        **dict.fromkeys(["NonRecursive", "CreateMountpoint", "ReadOnlyNonRecursive", "ReadOnlyForceRecursive"], bool),
    },
    "VolumeOptions": {"NoCopy": bool, "Labels": dict, "DriverConfig": dict, "Subpath": str},
    "DriverConfig": {"Name": str, "Options": dict},
    "TmpfsOptions": {"SizeBytes": int, "Mode": int, "Options": LISTS},
    "ImageOptions": {"Subpath": str},
    "RestartPolicy": {"Name": str, "MaximumRetryCount": int},
    "LogConfig": {"Type": str, "Config": dict},
    "IPAMConfig": {"IPv4Address": str, "IPv6Address": str, "LinkLocalIPs": TEXTS},
}
ENDPOINT_TYPES: dict[str, Any] = {
    **dict.fromkeys(["IPAMConfig", "DriverOpts"], dict),
    **dict.fromkeys(["Links", "Aliases"], TEXTS),
    "MacAddress": str,
    "GwPriority": int,
}
TEXT_MAPS = ("Labels", "Sysctls", "Tmpfs", "StorageOpt", "Annotations", "Options", "DriverOpts", "Config")


def check_types(found: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    for key, kind in types.items():
        value = found.get(key)
        if value is None:
            continue
        if kind is TEXTS:
            right = isinstance(value, list) and all(isinstance(item, str) for item in value)
        elif kind is OBJECTS:
            right = isinstance(value, list) and all(isinstance(item, dict) for item in value)
            if right:
                for item in value:
                    check_types(item, MEMBERS.get(key, {}))
        elif kind is LISTS:
            right = isinstance(value, list) and all(is_texts(item) for item in value)
        elif kind is int:
            right = isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63
        elif kind is dict and key in TEXT_MAPS:
            right = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        elif key == "PortBindings":
            right = isinstance(value, dict) and all(is_bindings(item) for item in value.values())
        else:
            right = isinstance(value, kind)
        if not right:
            raise InvalidArgument(f"invalid JSON: the value of {key} has the wrong type")
        if key in NESTED and isinstance(value, dict):
            check_types(value, NESTED[key])
    if "\0" in repr_of(found):
        raise InvalidArgument("invalid JSON: a text holds a NUL character")


def is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_bindings(value: Any) -> bool:
    """None, or a list of objects whose values are texts."""
    if value is None:
        return True
    return isinstance(value, list) and all(
        isinstance(item, dict) and all(isinstance(word, str) for word in item.values()) for item in value
    )


def repr_of(found: Any) -> str:
    """All the texts within, joined."""
    if isinstance(found, str):
        return found
    if isinstance(found, Mapping):
        return " ".join(f"{key} {repr_of(value)}" for key, value in found.items())
    if isinstance(found, list):
        return " ".join(repr_of(value) for value in found)
    return ""
