"""Limits: HostConfig's memory, CPU, blkio, pids and ulimits as the OCI spec has them, and what this host can't do.

Pure but for `Host.read`, which asks the kernel once. Source: OCI config-linux.md#control-groups.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.api.errors import InvalidArgument
from engine.oci.runtime_spec import BlockIO, Cpu, Memory, Resources, Rlimit, ThrottleDevice, WeightDevice

CPU_PERIOD = 100_000
NAMES = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
]
THROTTLES = {
    "BlkioDeviceReadBps": "throttleReadBpsDevice",
    "BlkioDeviceWriteBps": "throttleWriteBpsDevice",
    "BlkioDeviceReadIOps": "throttleReadIOPSDevice",
    "BlkioDeviceWriteIOps": "throttleWriteIOPSDevice",
}


@dataclass(frozen=True, slots=True)
class Host:
    """What the kernel offers. `hard` are the daemon's own hard limits by RLIMIT name; `may_raise` them or not."""

    cgroup_version: int
    controllers: frozenset[str]
    swap_limit: bool
    hard: Mapping[str, int]
    may_raise: bool
    oom_score_adj: int
    machine: str
    capabilities: frozenset[str]
    apparmor: bool
    cpus: int = 1
    # Whether /dev/mqueue is mounted on the host.
    queues: bool = True
    # Those that are on line, as the kernel writes them: "0-3".
    online_cpus: str = ""
    online_nodes: str = ""


def hard_limits() -> dict[str, int]:
    found = {}
    for name in NAMES:
        number = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if number is not None:
            found[name] = resource.getrlimit(number)[1]
    return found


def resources_of(host: Mapping[str, Any], kernel: Host) -> tuple[Resources, list[str]]:
    """→ (limits without devices, warnings)."""
    made: Resources = {}
    warnings: list[str] = []
    memory = memory_of(host, kernel, warnings)
    if memory:
        made["memory"] = memory
    cpu = cpu_of(host, kernel, warnings)
    if cpu:
        made["cpu"] = cpu
    blkio = blkio_of(host, kernel, warnings)
    if blkio:
        made["blockIO"] = blkio
    pids = host.get("PidsLimit")
    if pids:
        made["pids"] = {"limit": max(pids, -1)}
    return made, warnings


def memory_of(host: Mapping[str, Any], kernel: Host, warnings: list[str]) -> Memory:
    made: Memory = {}
    if host.get("Memory"):
        made["limit"] = host["Memory"]
    if host.get("MemoryReservation"):
        made["reservation"] = host["MemoryReservation"]
    if swap := host.get("MemorySwap"):
        if kernel.swap_limit:
            made["swap"] = swap
        else:
            warnings.append(
                "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
                "Memory limited without swap."
            )
    swappiness = host.get("MemorySwappiness")
    if swappiness is not None and swappiness >= 0:
        if kernel.cgroup_version == 1:
            made["swappiness"] = swappiness
        else:
            warnings.append(
                "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. "
                "Memory swappiness discarded."
            )
    if host.get("OomKillDisable"):
        if kernel.cgroup_version == 1:
            made["disableOOMKiller"] = True
            if not host.get("Memory"):
                warnings.append(
                    "OOM killer is disabled for the container, but no memory limit is set, "
                    "this can result in the system running out of resources."
                )
        else:
            warnings.append("Your kernel does not support OomKillDisable. OomKillDisable discarded.")
    return made


def cpu_of(host: Mapping[str, Any], kernel: Host, warnings: list[str]) -> Cpu:
    made: Cpu = {}
    if host.get("CpuShares"):
        made["shares"] = max(2, min(host["CpuShares"], 262144))
    if nano := host.get("NanoCpus"):
        if not 10_000_000 <= nano <= kernel.cpus * 1_000_000_000:
            raise InvalidArgument(
                f"Range of CPUs is from 0.01 to {kernel.cpus:.2f}, as there are only {kernel.cpus} CPUs available"
            )
        made["period"], made["quota"] = CPU_PERIOD, max(1000, nano * CPU_PERIOD // 1_000_000_000)
    if host.get("CpuPeriod"):
        made["period"] = host["CpuPeriod"]
    if host.get("CpuQuota"):
        made["quota"] = host["CpuQuota"]
    for key, name in (("CpuRealtimePeriod", "realtimePeriod"), ("CpuRealtimeRuntime", "realtimeRuntime")):
        if host.get(key):
            if kernel.cgroup_version == 1 and Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists():
                made[name] = host[key]  # type: ignore[literal-required]
            else:
                warnings.append(f"Your kernel does not support CPU realtime scheduler. {key} discarded.")
    check_sets(host, kernel)
    if host.get("CpusetCpus"):
        made["cpus"] = host["CpusetCpus"]
    if host.get("CpusetMems"):
        made["mems"] = host["CpusetMems"]
    return made


def check_sets(host: Mapping[str, Any], kernel: Host) -> None:
    """Raises InvalidArgument for processors and memory nodes that this machine hasn't."""
    for key, what, online in (
        ("CpusetCpus", "CPUs", kernel.online_cpus),
        ("CpusetMems", "memory nodes", kernel.online_nodes),
    ):
        wanted = host.get(key) or ""
        if online and not members(wanted) <= members(online):
            raise InvalidArgument(f"Requested {what} are not available - requested {wanted}, available: {online}")


def members(text: str) -> set[int]:
    """`0-2,4` → {0, 1, 2, 4}. What is longer than any machine is cut."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), min(int(last or first), int(first) + 100_000) + 1))
    return found


def blkio_of(host: Mapping[str, Any], kernel: Host, warnings: list[str]) -> BlockIO:
    made: BlockIO = {}
    weights = kernel.cgroup_version == 2 or any(
        Path(f"/sys/fs/cgroup/blkio/{name}").exists() for name in ("blkio.weight", "blkio.bfq.weight")
    )
    if host.get("BlkioWeight"):
        if weights:
            made["weight"] = host["BlkioWeight"]
        else:
            warnings.append(
                "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."
            )
    if host.get("BlkioWeightDevice"):
        if weights:
            made["weightDevice"] = [
                WeightDevice(weight=entry.get("Weight", 0), **device_numbers(entry.get("Path", "")))  # type: ignore[typeddict-item]
                for entry in host["BlkioWeightDevice"]
            ]
        else:
            warnings.append(
                "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. "
                "Weight-device discarded."
            )
    for key, name in THROTTLES.items():
        if host.get(key):
            made[name] = [  # type: ignore[literal-required]
                ThrottleDevice(rate=entry.get("Rate", 0), **device_numbers(entry.get("Path", "")))  # type: ignore[typeddict-item]
                for entry in host[key]
            ]
    return made


def device_numbers(path: str) -> dict[str, int]:
    """Raises InvalidArgument."""
    try:
        number = os.stat(path).st_rdev
    except OSError as error:
        raise InvalidArgument(f"block device {path}: {error.strerror}") from None
    return {"major": os.major(number), "minor": os.minor(number)}


def rlimits_of(ulimits: Sequence[Mapping[str, Any]], kernel: Host) -> tuple[list[Rlimit], list[str]]:
    """Ulimits, brought down to the daemon's own hard limits where it may not raise them. → (limits, warnings).

    Raises InvalidArgument.
    """
    made: list[Rlimit] = []
    warnings: list[str] = []
    for entry in ulimits:
        name, soft, hard = str(entry.get("Name", "")).lower(), entry.get("Soft", 0), entry.get("Hard", 0)
        if name not in NAMES:
            raise InvalidArgument(f"invalid ulimit type: {name}")
        if hard != -1 and (soft == -1 or soft > hard):
            raise InvalidArgument(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
        ceiling = kernel.hard.get(name, resource.RLIM_INFINITY)
        if not kernel.may_raise and ceiling != resource.RLIM_INFINITY and (hard == -1 or hard > ceiling):
            warnings.append(
                f"The ulimit {name}={soft}:{hard} is more than this engine may set: it is held to {ceiling}."
            )
            hard = ceiling
            soft = ceiling if soft == -1 else min(soft, ceiling)
        unlimited = (1 << 64) - 1
        made.append(
            {
                "type": f"RLIMIT_{name.upper()}",
                "soft": unlimited if soft == -1 else soft,
                "hard": unlimited if hard == -1 else hard,
            }
        )
    return made, warnings


def oom_score(wanted: int, kernel: Host) -> tuple[int | None, list[str]]:
    """A score below the daemon's own needs CAP_SYS_RESOURCE."""
    if not wanted:
        return None, []
    if wanted < kernel.oom_score_adj and not kernel.may_raise:
        return None, [f"The OOM score {wanted} is lower than this engine may set: {kernel.oom_score_adj} stays."]
    return wanted, []
