"""What this machine's kernel offers, asked once at the daemon's start."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from engine.daemon.containers.capabilities import held
from engine.daemon.containers.limits import Host, hard_limits


def read_host(cgroup_version: int, controllers: Collection[str]) -> Host:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    # What a container may be given: the bounding set, as far as the daemon holds it itself.
    capabilities = held(int(status["CapBnd"], 16) & int(status["CapPrm"], 16))
    return Host(
        cgroup_version=cgroup_version,
        controllers=frozenset(controllers),
        swap_limit=cgroup_version == 2 or Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists(),
        hard=hard_limits(),
        may_raise="CAP_SYS_RESOURCE" in capabilities,
        oom_score_adj=int(Path("/proc/self/oom_score_adj").read_text()),
        machine=os.uname().machine,
        capabilities=capabilities,
        apparmor=Path("/sys/kernel/security/apparmor/profiles").exists(),
        cpus=os.cpu_count() or 1,
        queues=os.path.ismount("/dev/mqueue"),
        online_cpus=online("cpu"),
        online_nodes=online("node"),
    )


def online(kind: str) -> str:
    """`0-3`; empty where the kernel doesn't say."""
    try:
        return Path(f"/sys/devices/system/{kind}/online").read_text().strip()
    except OSError:
        return ""
