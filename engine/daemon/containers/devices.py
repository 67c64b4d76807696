"""Devices: the nodes that a container has and the cgroup rules that let it use them.

`node_of` and `host_nodes` look at the host; the rest is pure. Source: dockerd's defaults; OCI config-linux.md#devices.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.api.errors import InvalidArgument
from engine.oci.runtime_spec import Device, DeviceRule

SKIPPED = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console", "core", "stdin", "stdout", "stderr"}
RULE = re.compile(r"([abc]) (\d+|\*):(\d+|\*) ([rwm]{1,3})", re.ASCII)
DENY_ALL: DeviceRule = {"allow": False, "access": "rwm"}
ALLOW_ALL: DeviceRule = {"allow": True, "access": "rwm"}


def allowed(kind: str, major: int | None, minor: int | None, access: str) -> DeviceRule:
    made: DeviceRule = {"allow": True, "type": kind, "access": access}
    if major is not None:
        made["major"] = major
    if minor is not None:
        made["minor"] = minor
    return made


# Making any node is allowed, using only these: null, zero, full, random, urandom, tty, console, ptmx, terminals.
DEFAULT_RULES: tuple[DeviceRule, ...] = (
    DENY_ALL,
    allowed("c", None, None, "m"),
    allowed("b", None, None, "m"),
    allowed("c", 1, 3, "rwm"),
    allowed("c", 1, 5, "rwm"),
    allowed("c", 1, 7, "rwm"),
    allowed("c", 1, 8, "rwm"),
    allowed("c", 1, 9, "rwm"),
    allowed("c", 5, 0, "rwm"),
    allowed("c", 5, 1, "rwm"),
    allowed("c", 5, 2, "rwm"),
    allowed("c", 136, None, "rwm"),
)


def node_of(path: str, inside: str) -> Device | None:
    """The device at a path of the host, as it is to be inside; None for what is no device. Raises OSError."""
    found = os.stat(path)
    kind = "c" if stat.S_ISCHR(found.st_mode) else "b" if stat.S_ISBLK(found.st_mode) else ""
    if not kind:
        return None
    return {
        "type": kind,
        "path": inside,
        "major": os.major(found.st_rdev),
        "minor": os.minor(found.st_rdev),
        "fileMode": stat.S_IMODE(found.st_mode),
        "uid": found.st_uid,
        "gid": found.st_gid,
    }


def nodes_below(folder: Path, inside: str) -> list[Device]:
    found = []
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if name in SKIPPED or path.is_symlink():
            continue
        if path.is_dir():
            found += nodes_below(path, f"{inside}/{name}")
        elif (node := node_of(str(path), f"{inside}/{name}")) is not None:
            found.append(node)
    return found


def asked_devices(mappings: Sequence[Mapping[str, Any]]) -> tuple[list[Device], list[DeviceRule]]:
    """HostConfig.Devices as nodes and rules. Raises InvalidArgument for one that the host hasn't."""
    nodes: list[Device] = []
    rules: list[DeviceRule] = []
    for mapping in mappings:
        source = mapping.get("PathOnHost") or ""
        inside = mapping.get("PathInContainer") or source
        access = mapping.get("CgroupPermissions") or "rwm"
        if not re.fullmatch(r"[rwm]{1,3}", access):
            raise InvalidArgument(f"invalid device mode: {access}")
        try:
            node = node_of(source, inside)
            found = [node] if node is not None else nodes_below(Path(source), inside) if os.path.isdir(source) else []
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise InvalidArgument(
                f'error gathering device information while adding custom device "{source}": {reason}'
            ) from None
        if not found:
            raise InvalidArgument(
                f'error gathering device information while adding custom device "{source}": not a device node'
            )
        nodes += found
        rules += [allowed(n["type"], n["major"], n["minor"], access) for n in found]
    return nodes, rules


def asked_rules(texts: Sequence[str]) -> list[DeviceRule]:
    """HostConfig.DeviceCgroupRules: `c 13:* rwm`. Raises InvalidArgument."""
    rules = []
    for text in texts:
        if (found := RULE.fullmatch(text)) is None:
            raise InvalidArgument(f"invalid device cgroup rule format: '{text}'")
        major, minor = (None if word == "*" else int(word) for word in found.group(2, 3))
        rules.append(allowed(found[1], major, minor, found[4]))
    return rules
