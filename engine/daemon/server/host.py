"""What /info tells of the machine: read once, when the daemon starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Host:
    architecture: str
    operating_system: str
    os_version: str
    memory: int
    cgroup_version: Literal["1", "2"]
    file_system: str
    forwards_ipv4: bool
    limits: dict[str, bool]


def read_host(root: Path) -> Host:
    release = os_release()
    version: Literal["1", "2"] = "2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "1"
    return Host(
        architecture=Platform.here().architecture,
        operating_system=release.get("PRETTY_NAME", "Linux"),
        os_version=release.get("VERSION_ID", ""),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        cgroup_version=version,
        file_system=file_system_of(root),
        forwards_ipv4=text_of("/proc/sys/net/ipv4/ip_forward") == "1",
        limits=limits_of(version),
    )


def limits_of(version: str) -> dict[str, bool]:
    """The keys of /info that say which limits the machine can set."""
    if version == "2":
        has = set(text_of("/sys/fs/cgroup/cgroup.controllers").split())
        memory, cpu, cpuset, pids = "memory" in has, "cpu" in has, "cpuset" in has, "pids" in has
        oom = False
    else:
        has = {line.split()[0] for line in text_of("/proc/cgroups").splitlines() if not line.startswith("#")}
        memory, cpu, cpuset, pids = (
            name in has and Path(f"/sys/fs/cgroup/{name}").is_dir() for name in ("memory", "cpu", "cpuset", "pids")
        )
        oom = memory
    swap = memory and (version == "2" or Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists())
    return {
        "MemoryLimit": memory,
        "SwapLimit": swap,
        "KernelMemoryTCP": version == "1" and memory,
        "CpuCfsPeriod": cpu,
        "CpuCfsQuota": cpu,
        "CPUShares": cpu,
        "CPUSet": cpuset,
        "PidsLimit": pids,
        "OomKillDisable": oom,
    }


def os_release() -> dict[str, str]:
    lines = (line.partition("=") for line in text_of("/etc/os-release").splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, _, value in lines}


def file_system_of(folder: Path) -> str:
    """The type of the mount that holds the folder: the longest mount point that is a beginning of its path."""
    best, kind, path = "", "unknown", f"{folder.resolve()}/"
    for line in text_of("/proc/self/mounts").splitlines():
        _, point, type_, *_ = line.split(" ")
        if path.startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, type_
    return {"ext4": "extfs", "ext3": "extfs"}.get(kind, kind)


def text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
