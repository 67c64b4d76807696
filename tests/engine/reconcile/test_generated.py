"""Generated projects: after `up` the plan is empty, whatever keys were drawn; `make chaos` draws many more."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engines import RunningEngine
from tests.workshop import Workshop

pytestmark = pytest.mark.root

Draw = Callable[[random.Random], Any]
# What a service may have drawn: each works on the test's kernel, alone and with the others.
KEYS: dict[str, Draw] = {
    "environment": lambda r: {f"K{n}": r.choice(["", "a b", "$$x", "é", "1"]) for n in range(r.randint(1, 4))},
    "labels": lambda r: {f"l{n}": r.choice(["", "x", "y=z"]) for n in range(r.randint(1, 3))},
    "mem_limit": lambda r: r.choice(["32m", "64m", "67108864"]),
    "memswap_limit": lambda r: r.choice(["128m", "256m"]),
    "cpus": lambda r: r.choice([0.1, 0.25, 1.5]),
    "cpu_shares": lambda r: r.choice([2, 512]),
    "pids_limit": lambda r: r.choice([20, 100]),
    "restart": lambda r: r.choice(["no", "always", "on-failure:3", "unless-stopped"]),
    "user": lambda r: r.choice(["0", "1000", "1000:1000"]),
    "working_dir": lambda r: r.choice(["/", "/tmp"]),
    "hostname": lambda r: r.choice(["h1", "h2.example.test"]),
    "domainname": lambda r: "example.test",
    "tty": lambda r: r.choice([True, False]),
    "stdin_open": lambda r: r.choice([True, False]),
    "init": lambda r: r.choice([True, False]),
    "read_only": lambda r: r.choice([True, False]),
    "privileged": lambda r: r.choice([False]),
    "cap_add": lambda r: r.sample(["NET_ADMIN", "CAP_SYS_TIME", "sys_nice"], 2),
    "cap_drop": lambda r: r.sample(["MKNOD", "ALL", "CHOWN"], 1),
    "dns": lambda r: r.choice(["9.9.9.9", ["1.1.1.1", "8.8.8.8"]]),
    "dns_search": lambda r: r.choice(["a.test", ["a.test", "b.test"]]),
    "dns_opt": lambda r: ["ndots:2"],
    "extra_hosts": lambda r: r.choice([["a:1.2.3.4"], {"b": "5.6.7.8", "c": "::1"}]),
    "group_add": lambda r: ["20", "30"],
    "tmpfs": lambda r: r.choice(["/t", ["/t:size=64k", "/u"]]),
    "ulimits": lambda r: {"nofile": r.choice([100, {"soft": 50, "hard": 100}])},
    "shm_size": lambda r: r.choice(["8m", 16777216]),
    "stop_signal": lambda r: r.choice(["SIGTERM", "SIGINT", "SIGUSR1"]),
    "stop_grace_period": lambda r: r.choice(["0s", "1s", "1m30s"]),
    "sysctls": lambda r: {"net.core.somaxconn": r.choice([128, 256])},
    "security_opt": lambda r: ["no-new-privileges:true"],
    "logging": lambda r: {"driver": r.choice(["json-file", "none", "local"])},
    "oom_score_adj": lambda r: r.choice([0, 500]),
    "expose": lambda r: ["81", "90-92/udp"],
    "ports": lambda r: r.choice([["80"], ["127.0.0.1::80"], [{"target": 81, "protocol": "udp"}], ["53/udp", "53"]]),
    "healthcheck": lambda r: r.choice(
        [
            {"disable": True},
            {"test": ["CMD", "true"], "interval": "1m30s"},
            {"test": "exit 0", "timeout": "1.5s", "retries": 2, "start_period": "5s"},
        ]
    ),
    "volumes": lambda r: r.sample(
        [
            "data:/data",
            "/anonymous",
            "./here:/here:ro",
            {"type": "tmpfs", "target": "/mem", "tmpfs": {"size": 65536}},
            {"type": "volume", "source": "data", "target": "/again", "volume": {"nocopy": True}},
            {"type": "bind", "source": "/mnt", "target": "/hostmnt", "bind": {"propagation": "rprivate"}},
        ],
        3,
    ),
    "networks": lambda r: r.choice(
        [["one"], ["one", "two"], {"one": {"aliases": ["x", "y"]}, "two": {"priority": 10}}, {"default": None}]
    ),
    "configs": lambda r: r.choice([["text"], [{"source": "text", "target": "/etc/t", "mode": 0o400}]]),
    "secrets": lambda r: ["file"],
    "ipc": lambda r: r.choice(["private", "shareable", "host"]),
    "pid": lambda r: "host",
    "uts": lambda r: "host",
    "blkio_config": lambda r: {"weight": 300},
    "devices": lambda r: ["/dev/null:/dev/nothing:rw"],
    "device_cgroup_rules": lambda r: ["c 1:3 mr"],
    "annotations": lambda r: {"a": "b"},
    "cpuset": lambda r: r.choice(["0", "0,1"]),
    "cpu_quota": lambda r: 50000,
    "entrypoint": lambda r: ["/bin/sh", "-c", "sleep 1000"],
    "scale": lambda r: 2,
}
EXCLUDE = (("cpus", "cpu_quota"), ("hostname", "uts"), ("domainname", "uts"))
TOP = {
    "networks": {"one": None, "two": {"internal": True}},
    "volumes": {"data": {"labels": {"a": "b"}}},
    "configs": {"text": {"content": "hello $$"}},
    "secrets": {"file": {"file": "./secret"}},
}


def drawn(random_: random.Random, image: str) -> dict[str, Any]:
    services = {}
    for number in range(random_.randint(1, 3)):
        keys = random_.sample(sorted(KEYS), random_.randint(3, 9))
        for one, other in EXCLUDE:
            if one in keys and other in keys:
                keys.remove(other)
        service = {"image": image, "command": ["sleep", "1000"], **{k: KEYS[k](random_) for k in keys}}
        if "memswap_limit" in service:
            service.setdefault("mem_limit", "64m")
        if number:
            service["depends_on"] = [f"s{number - 1}"]
        services[f"s{number}"] = service
    return {"services": services, **TOP}


COUNT = 120 if os.environ.get("RORQUAL_CHAOS") else 10


@contextmanager
def workshop(request: pytest.FixtureRequest, engine: str, folder: Path, name: str) -> Iterator[Workshop]:
    """The files that drawn projects name lie in its folder."""
    (folder / "here").write_text("file\n")
    (folder / "secret").write_text("hush")
    with Workshop(folder, request.getfixturevalue(engine), name) as shop:
        yield shop


@pytest.mark.parametrize("seed", range(COUNT))
@pytest.mark.parametrize("engine_fixture", ["docker_engine", "rorqual_engine"])
def test_a_plan_after_up_is_empty(
    seed: int, engine_fixture: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with workshop(request, engine_fixture, tmp_path, f"gen{seed}") as shop:
        project = drawn(random.Random(seed), shop.engine.image)
        shop.write(json.dumps(project, indent=1))
        shop.run("up", "-d")
        assert shop.plan()["steps"] == [], json.dumps(project["services"], indent=1)
        shop.run("down", "-v", "-t", "0")
        assert shop.containers() == {}


# 1010 draws what the tools write down differently: ranges of ports, and a limit that the test's kernel doesn't have.
@pytest.mark.parametrize("seed", range(1010, 1010 + COUNT // 5))
@pytest.mark.parametrize("engine_fixture", ["docker_engine", "rorqual_engine"])
def test_either_tool_leaves_what_the_other_started_alone(
    seed: int, engine_fixture: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with workshop(request, engine_fixture, tmp_path, f"both{seed}") as shop:
        project = drawn(random.Random(seed), shop.engine.image)
        for service in project["services"].values():
            if "configs" in service:
                service.pop("read_only", None)  # Compose can't write a config's content there
        shop.write(json.dumps(project, indent=1))
        shop.compose("up", "-d")
        assert shop.plan()["steps"] == [], json.dumps(project["services"], indent=1)
        shop.compose("down", "-v", "-t", "0")
        shop.run("up", "-d")
        started = shop.containers()
        shop.compose("up", "-d")
        assert shop.containers() == started, json.dumps(project["services"], indent=1)
        shop.run("down", "-v", "-t", "0")


def test_what_compose_made_on_podman_is_adopted(podman_engine: RunningEngine, tmp_path: Path) -> None:
    """Its inspect doesn't repeat what was asked: Compose's hash of the service does."""
    with Workshop(tmp_path, podman_engine, "adopted") as shop:
        service = {"image": podman_engine.image, "command": ["sleep", "1000"], "annotations": {"a": "b"}}
        shop.write(json.dumps({"services": {"web": {**service, "expose": ["81"], "pid": "host"}}}))
        shop.compose("up", "-d")
        assert shop.plan()["steps"] == []
        shop.write(json.dumps({"services": {"web": {**service, "expose": ["81"], "hostname": "other"}}}))
        (step,) = shop.plan()["steps"]
        changed = {field["path"]: (field["old"], field["new"]) for field in step["fields"]}
        assert step["action"] == "replace" and changed["hostname"][1] == "other"
        shop.run("down", "-t", "0")
