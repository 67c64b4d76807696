"""Values for the tests of containers: a host, a container, a situation; each test changes what it is about."""

from __future__ import annotations

from typing import Any

from engine.daemon.containers.capabilities import NAMES
from engine.daemon.containers.configuration import merged_config, whole_host
from engine.daemon.containers.limits import Host
from engine.daemon.containers.record import Container
from engine.daemon.containers.spec import Situation
from engine.daemon.containers.users import Account

ID = "ab" * 32


def host(**changes: Any) -> Host:
    made: dict[str, Any] = {
        "cgroup_version": 2,
        "controllers": frozenset({"memory", "cpu", "pids"}),
        "swap_limit": True,
        "hard": {"nofile": 1024, "core": -1},
        "may_raise": False,
        "oom_score_adj": 0,
        "machine": "x86_64",
        "capabilities": frozenset(NAMES),
        "apparmor": False,
        "cpus": 4,
        **changes,
    }
    return Host(**made)


def container(config: dict[str, Any] | None = None, cgroup_version: int = 2, **host_config: Any) -> Container:
    asked = {"Cmd": ["sleep", "1"], "Image": "img", **(config or {})}
    whole = whole_host(host_config, cgroup_version=cgroup_version, runtime="crun")
    return Container(ID, "name", 1_000_000_000, "sha256:1", merged_config(asked, {}), whole)


def situation(**changes: Any) -> Situation:
    made: dict[str, Any] = {
        "host": host(),
        "account": Account(0, 0, (), "/root"),
        "sources": (),
        "cgroup": f"/rorqual/{ID}",
        "hostname": ID[:12],
        "files": {"hosts": "/f/hosts", "resolv.conf": "/f/resolv.conf", "hostname": "/f/hostname"},
        **changes,
    }
    return Situation(**made)
