"""The body of a service: for each key of the specification a maker of its value, in all its forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.specs.cases.grown import mounts
from tests.specs.cases.grown.spelling import Raw
from tests.specs.cases.grown.values import IMAGES, Grower

Maker = Callable[[Grower], Any]


def build(grow: Grower) -> Any:
    if grow.likely(0.3):
        return grow.one(".", "./app", "../up", "https://github.com/acme/app.git#main:sub", "app", "/srv/build")
    return {
        "context": grow.one(".", "./app", "sub/../app", "git@github.com:a/b.git"),
        **grow.optional(
            dockerfile=lambda: grow.one("Dockerfile", "docker/Dockerfile.prod", "../x"),
            dockerfile_inline=lambda: "FROM scratch\nCOPY . /\n",
            args=grow.pairs,
            labels=grow.labels,
            cache_from=lambda: grow.strings("alpine:latest", "type=local,src=./c"),
            cache_to=lambda: ["user/app:cache"],
            no_cache=grow.boolean,
            additional_contexts=lambda: grow.one(
                {"res": "./res", "app": "docker-image://x"}, ["a=./b", "c=https://x/y.git"]
            ),
            network=lambda: grow.one("host", "none", "custom"),
            pull=grow.boolean,
            target=lambda: "prod",
            shm_size=grow.size,
            extra_hosts=partial(mounts.extra_hosts, grow),
            isolation=lambda: "default",
            privileged=grow.boolean,
            secrets=lambda: mounts.granted(grow.secrets, grow),
            tags=lambda: ["x:1", "y:2"],
            ulimits=lambda: ulimits(grow),
            platforms=lambda: grow.strings("linux/amd64", "linux/arm64"),
            provenance=lambda: grow.one(True, "mode=max", "false"),
            sbom=lambda: grow.one(True, False, "generator=x"),
            entitlements=lambda: ["network.host"],
        ),
    }


def ulimits(grow: Grower) -> dict[str, Any]:
    names = grow.some(("nofile", "nproc", "memlock", "core"), 2)
    pair = {"soft": grow.integer(-1), "hard": grow.integer(-1)}
    return {name: grow.one(grow.integer(-1), pair, 65535) for name in names}


def healthcheck(grow: Grower) -> dict[str, Any]:
    test = grow.one("curl -f http://localhost", ["CMD", "true"], ["CMD-SHELL", "exit 0"], ["NONE"], [], "a $$b")
    return {
        **({"test": test} if grow.likely(0.8) else {}),
        **grow.optional(
            interval=grow.duration,
            timeout=grow.duration,
            retries=grow.integer,
            start_period=grow.duration,
            start_interval=grow.duration,
            disable=grow.boolean,
        ),
    }


def deploy(grow: Grower) -> dict[str, Any]:
    rolling = {
        "parallelism": lambda: grow.one(1, "2", 0),
        "delay": grow.duration,
        "failure_action": lambda: grow.one("pause", "continue", "rollback"),
        "monitor": grow.duration,
        "max_failure_ratio": lambda: grow.one(0.3, "0.5", 0),
        "order": lambda: grow.one("start-first", "stop-first"),
    }
    return grow.optional(
        mode=lambda: grow.one("replicated", "global", "replicated-job", "global-job"),
        endpoint_mode=lambda: grow.one("vip", "dnsrr"),
        replicas=grow.integer,
        labels=grow.labels,
        update_config=lambda: grow.optional(**rolling),
        rollback_config=lambda: grow.optional(**rolling),
        resources=lambda: resources(grow),
        restart_policy=lambda: grow.optional(
            condition=lambda: grow.one("on-failure", "any", "none"),
            delay=grow.duration,
            max_attempts=grow.integer,
            window=grow.duration,
        ),
        placement=lambda: grow.optional(
            constraints=lambda: grow.strings("node.role==manager", "engine.labels.os==x"),
            preferences=lambda: [{"spread": "node.labels.zone"}],
            max_replicas_per_node=grow.integer,
        ),
    )


def resources(grow: Grower) -> dict[str, Any]:
    device = {
        "capabilities": ["gpu"],
        **grow.optional(
            driver=lambda: "nvidia",
            count=lambda: grow.one(1, "all", "2", -1),
            device_ids=lambda: ["0", "3"],
            options=lambda: grow.one({"virtualization": False}, ["a=b"]),
        ),
    }
    return grow.optional(
        limits=lambda: grow.optional(cpus=grow.number, memory=grow.size, pids=grow.integer),
        reservations=lambda: grow.optional(
            cpus=grow.number,
            memory=grow.size,
            devices=lambda: [device],
            generic_resources=lambda: [{"discrete_resource_spec": {"kind": "gpu", "value": 2}}],
        ),
    )


def develop(grow: Grower) -> dict[str, Any]:
    def rule() -> dict[str, Any]:
        action = grow.one("sync", "rebuild", "restart", "sync+restart", "sync+exec")
        more: dict[str, Any] = {"target": "/app"} if action.startswith("sync") else {}
        if action == "sync+exec":
            more["exec"] = {"command": grow.command()}
        found = {"path": grow.path(), "action": action, **more}
        if grow.likely(0.4):
            found |= grow.optional(
                ignore=lambda: grow.string_or_list("node_modules/", "*.pyc"),
                include=lambda: grow.string_or_list("src/**", "*.py"),
                initial_sync=grow.boolean,
            )
        return found

    return {"watch": [rule() for _ in range(grow.chance.randint(1, 2))]}


def env_file(grow: Grower) -> Any:
    files = grow.some(("./a.env", "b.env", "sub/c.env"), 2)
    entries = [
        f if grow.likely(0.6) else {"path": f, **grow.optional(required=grow.boolean, format=lambda: "raw")}
        for f in files
    ]
    if grow.likely(0.2):
        entries.append({"path": "missing.env", "required": grow.one(False, "false", True)})
    return grow.one(files[0], entries, entries)


def hooks(grow: Grower) -> list[dict[str, Any]]:
    more = grow.optional(user=lambda: "root", privileged=grow.boolean, working_dir=lambda: "/w", environment=grow.pairs)
    return [{"command": grow.one("./hook.sh a", ["x", "y"]), **(more if grow.likely(0.5) else {})}]


def blkio(grow: Grower) -> dict[str, Any]:
    def limits() -> list[dict[str, Any]]:
        return [{"path": "/dev/sda", "rate": grow.size()}]

    return grow.optional(
        weight=lambda: grow.one(300, "400"),
        weight_device=lambda: [{"path": "/dev/sda", "weight": grow.one(400, "10")}],
        device_read_bps=limits,
        device_write_bps=limits,
        device_read_iops=lambda: [{"path": "/dev/sdb", "rate": grow.integer()}],
        device_write_iops=lambda: [{"path": "/dev/sdb", "rate": grow.integer()}],
    )


def gpus(grow: Grower) -> Any:
    one = grow.optional(driver=lambda: "3dfx", count=lambda: grow.one(2, "all", "1"), options=lambda: {"a": "b"})
    return grow.one("all", [one], [{"capabilities": ["compute"], **one}])


def models(grow: Grower) -> Any:
    name = grow.pick(grow.models)
    return grow.one([name], {name: None}, {name: grow.optional(endpoint_var=lambda: "URL", model_var=lambda: "MODEL")})


def links(grow: Grower) -> Any:
    return [grow.one(name, f"{name}:alias") for name in dict.fromkeys([grow.other()])]


def mode(*plain: str) -> Maker:
    return lambda grow: grow.one(*plain, f"service:{grow.other()}", "container:outside")


KEYS: dict[str, Maker] = {
    "annotations": Grower.labels,
    "attach": Grower.boolean,
    "blkio_config": blkio,
    "cap_add": lambda g: g.strings("ALL", "NET_ADMIN", "SYS_TIME"),
    "cap_drop": lambda g: g.strings("ALL", "NET_RAW"),
    "cgroup": lambda g: g.one("host", "private"),
    "cgroup_parent": lambda g: "m-executor-abcd",
    "command": Grower.command,
    "configs": lambda g: mounts.granted(g.configs, g),
    "container_name": lambda g: f"cn-{g.own}-{g.chance.randint(1, 99)}",
    "cpu_count": Grower.integer,
    "cpu_percent": lambda g: g.one(50, "10", 100),
    "cpu_period": lambda g: g.mostly(("100000", 100000), ("12ms",)),
    "cpu_quota": lambda g: g.one("50000", 50000, -1),
    "cpu_rt_period": lambda g: g.mostly(("9500", 11000), ("1400us",)),
    "cpu_rt_runtime": lambda g: g.mostly(("9500", 95000), ("400ms",)),
    "cpu_shares": Grower.integer,
    "cpus": Grower.number,
    "cpuset": lambda g: g.one("0-3", "0,1", "0"),
    "credential_spec": lambda g: g.one({"file": "x.json"}, {"registry": "r"}, {"config": "c"}),
    "depends_on": mounts.depends_on,
    "deploy": deploy,
    "develop": develop,
    "device_cgroup_rules": lambda g: g.strings("c 1:3 mr", "a 7:* rmw"),
    "devices": mounts.devices,
    "dns": lambda g: g.string_or_list("8.8.8.8", "1.1.1.1"),
    "dns_opt": lambda g: g.strings("use-vc", "no-tld-query"),
    "dns_search": lambda g: g.string_or_list("a.example.com", "b.example.com"),
    "domainname": lambda g: "example.com",
    "entrypoint": Grower.command,
    "env_file": env_file,
    "environment": Grower.pairs,
    "expose": lambda g: g.some(("3000", 8000, "8080-8085/tcp", "53/udp"), 3),
    "external_links": lambda g: g.strings("redis", "database:mysql"),
    "extra_hosts": mounts.extra_hosts,
    "gpus": gpus,
    "group_add": lambda g: g.some(("mail", 1001, "docker"), 2),
    "healthcheck": healthcheck,
    "hostname": lambda g: g.one("h1", "web.example"),
    "init": Grower.boolean,
    "ipc": mode("shareable", "host", "private"),
    "isolation": lambda g: "default",
    "label_file": lambda g: g.one("./labels.txt", ["./labels.txt"]),
    "labels": Grower.labels,
    "links": links,
    "logging": lambda g: g.optional(
        driver=lambda: g.one("json-file", "syslog", "none"),
        options=lambda: {"max-size": g.one("10m", 5), "max-file": g.one(3, "3"), "n": g.one(None, "x")},
    ),
    "mac_address": lambda g: "02:42:ac:11:65:43",
    "mem_limit": Grower.size,
    "mem_reservation": Grower.size,
    "mem_swappiness": lambda g: g.one(0, 60, "10"),
    "memswap_limit": lambda g: g.one(g.size(), -1),
    "models": models,
    "network_mode": mode("host", "none", "bridge"),
    "networks": mounts.networks,
    "oom_kill_disable": Grower.boolean,
    "oom_score_adj": lambda g: g.one(-500, "100", 1000),
    "pid": mode("host"),
    "pids_limit": lambda g: g.integer(-1),
    "platform": lambda g: g.one("linux/amd64", "linux/arm64/v8", "windows"),
    "ports": mounts.ports,
    "post_start": hooks,
    "pre_stop": hooks,
    "privileged": Grower.boolean,
    "pull_policy": lambda g: g.one("always", "never", "missing", "build", "daily", "every_2h", "if_not_present"),
    "read_only": Grower.boolean,
    "restart": lambda g: g.one("no", "always", "on-failure:3", "unless-stopped", "on-failure", Raw("no")),
    "runtime": lambda g: g.one("runc", "io.containerd.runc.v2"),
    "scale": lambda g: g.one(1, 2, "3", 0),
    "secrets": lambda g: mounts.granted(g.secrets, g),
    "security_opt": lambda g: g.strings("label:user:USER", "no-new-privileges:true", "seccomp=unconfined"),
    "shm_size": Grower.size,
    "stdin_open": Grower.boolean,
    "stop_grace_period": Grower.duration,
    "stop_signal": lambda g: g.one("SIGUSR1", "15"),
    "storage_opt": lambda g: {"size": g.one("1G", 5)},
    "sysctls": lambda g: g.pairs(("net.core.somaxconn", "net.ipv4.tcp_syncookies"), nullable=False),
    "tmpfs": lambda g: g.string_or_list("/run", "/tmp:mode=755,size=64m", "/x"),
    "tty": Grower.boolean,
    "ulimits": ulimits,
    "use_api_socket": lambda g: g.one(True, False),
    "user": lambda g: g.one("root", "1000:1000", "1000"),
    "userns_mode": lambda g: "host",
    "uts": lambda g: g.one("host", ""),
    "volumes": mounts.volumes,
    "volumes_from": lambda g: [g.one(g.other(), f"{g.other()}:ro", "container:outside:rw")],
    "working_dir": lambda g: g.one("/app", "/a/../b", "rel"),
    "x-note": lambda g: g.one({"a": [1, None]}, "text", [1], None),
}


def body(grow: Grower, most: int) -> dict[str, Any]:
    """An image or a build (rarely both or neither), and up to `most` more keys."""
    found: dict[str, Any] = {}
    if grow.likely(0.85):
        found["image"] = grow.chance.choice(IMAGES)
    if grow.likely(0.02):
        found = {"provider": {"type": "cloud", "options": {"a": grow.one("x", 1, True, ["x", 2])}}}
    elif not found or grow.likely(0.15):
        found["build"] = build(grow)
    for key in grow.some(list(KEYS), most, 0):
        found[key] = KEYS[key](grow)
    if grow.services[:1] == [grow.own] and grow.likely(0.95):
        # the first has no earlier one to name
        for key in ("depends_on", "links", "volumes_from", "ipc", "pid", "network_mode"):
            found.pop(key, None)
    if grow.likely(0.9):
        # these two refuse each other's company
        found.pop("networks" if "network_mode" in found else "network_mode", None)
    return found
