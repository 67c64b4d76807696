"""Ports, mounts, devices, configs and secrets, networks of a service: what has a short form and a long one."""

from __future__ import annotations

from typing import Any

from tests.specs.cases.grown.spelling import Raw
from tests.specs.cases.grown.values import Grower


def ports(grow: Grower) -> Any:
    return [(grow.likely(0.7) and short_port(grow)) or long_port(grow) for _ in range(grow.chance.randint(1, 3))]


def short_port(grow: Grower) -> Any:
    inner = grow.chance.choice((80, 443, 3000, 8080, 53))
    outer = grow.chance.randint(1024, 9999)
    count = grow.chance.randint(1, 4)
    protocol = grow.one("", "", "", "/tcp", "/udp", "/sctp", "/TCP")
    return grow.one(
        *(inner, f"{inner}{protocol}", f"{outer}:{inner}{protocol}", f"127.0.0.1:{outer}:{inner}{protocol}"),
        *(f"{outer}-{outer + count}:{inner}-{inner + count}{protocol}", f"{outer}-{outer + 9}:{inner}"),
        *(f"{inner}-{inner + count}", f"[::1]:{outer}:{inner}", f"0.0.0.0::{inner}", f":{inner}", f"{outer}:{inner}"),
        *(
            f"{outer}:{inner}",
            Raw(f"{outer}:{inner}"),
            grow.mostly((inner,), (f"{outer}:{inner}/icmp", "x:80", f"{outer}:")),
        ),
    )


def long_port(grow: Grower) -> dict[str, Any]:
    return {
        "target": grow.one(80, 443, "80", 8080),
        **grow.optional(
            published=lambda: grow.one("8080", 8080, "8000-8010", "", 0),
            protocol=lambda: grow.one("tcp", "udp", "TCP"),
            mode=lambda: grow.one("host", "ingress"),
            host_ip=lambda: grow.one("127.0.0.1", "::1", "0.0.0.0"),
            name=lambda: grow.one("http", "web"),
            app_protocol=lambda: "http",
        ),
    }


def volumes(grow: Grower) -> Any:
    return [short_mount(grow) if grow.likely(0.6) else long_mount(grow) for _ in range(grow.chance.randint(1, 3))]


def short_mount(grow: Grower) -> str:
    named = grow.pick(grow.volumes)
    source = grow.one(named, named, grow.path(), grow.path(), "/var/run/docker.sock")
    mode = grow.one(
        "", "", "", ":ro", ":rw", ":z", ":Z", ":ro,z", ":nocopy", ":cached", ":rshared", ":ro,rslave", ":foo"
    )
    return str(grow.one(f"{source}:{grow.target()}{mode}", f"{source}:{grow.target()}{mode}", grow.target()))


def long_mount(grow: Grower) -> dict[str, Any]:
    kind = grow.mostly(("bind", "bind", "volume", "volume", "tmpfs", "image"), ("npipe", "cluster", "other"))
    more: dict[str, Any] = {}
    if kind in {"bind", "npipe"}:
        more["source"] = grow.path()
        if grow.likely(0.5):
            more["bind"] = grow.optional(
                propagation=lambda: grow.one("rprivate", "shared", "rslave"),
                create_host_path=grow.boolean,
                selinux=lambda: grow.one("z", "Z"),
                recursive=lambda: grow.one("enabled", "disabled", "writable", "readonly"),
            )
    elif kind == "volume":
        if grow.likely(0.8):
            more["source"] = grow.pick(grow.volumes)
        if grow.likely(0.5):
            more["volume"] = grow.optional(nocopy=grow.boolean, subpath=lambda: "a/b", labels=grow.labels)
    elif kind == "tmpfs":
        if grow.likely(0.7):
            more["tmpfs"] = grow.optional(
                size=grow.size, mode=lambda: grow.one(Raw("01777"), 1777, Raw("0o755"), "0644")
            )
    elif kind == "image":
        more |= {"source": "busybox", **({"image": {"subpath": "bin"}} if grow.likely(0.4) else {})}
    if grow.likely(0.3):
        more["read_only"] = grow.boolean()
    if grow.likely(0.1):
        more["consistency"] = grow.one("cached", "delegated")
    return {"type": kind, "target": grow.target(), **more}


def devices(grow: Grower) -> Any:
    short = (
        "/dev/snd",
        "/dev/sda:/dev/xvda:rwm",
        "/dev/a:/dev/b",
        "/dev/a:r",
        "/dev/x:/dev/y:w",
        "vendor.com/class=device",
    )
    long = {"source": "/dev/z", **grow.optional(target=lambda: "/dev/q", permissions=lambda: grow.one("r", "rwm"))}
    return [*grow.some(short, 2), *([long] if grow.likely(0.3) else [])]


def granted(names: list[str], grow: Grower) -> Any:
    found: list[Any] = []
    for name in dict.fromkeys(grow.pick(names) for _ in range(grow.chance.randint(1, 2))):
        if grow.likely(0.5):
            found.append(name)
            continue
        more = grow.optional(
            target=lambda: grow.one("/etc/x", "plain", "/a/../b"),
            uid=lambda: grow.one("103", "0"),
            gid=lambda: "103",
            mode=lambda: grow.one(Raw("0440"), 288, Raw("0o440"), "0444", "444", Raw("0x1")),
        )
        found.append({"source": name, **more})
    return found


def networks(grow: Grower) -> Any:
    chosen = list(dict.fromkeys(grow.pick([*grow.networks, "default"]) for _ in range(grow.chance.randint(1, 3))))
    if grow.likely(0.5):
        return chosen
    return {name: None if grow.likely(0.4) else endpoint(grow) for name in chosen}


def endpoint(grow: Grower) -> dict[str, Any]:
    return grow.optional(
        aliases=lambda: grow.strings("a1", "a2", "a3"),
        ipv4_address=lambda: grow.one("10.5.0.10", "172.16.238.20"),
        ipv6_address=lambda: "2001:db8::10",
        link_local_ips=lambda: ["169.254.8.8"],
        mac_address=lambda: "02:42:ac:11:00:02",
        priority=lambda: grow.one(0, 100, 1000),
        gw_priority=lambda: grow.one(1, -1),
        interface_name=lambda: "eth7",
        driver_opts=lambda: {"com.x": grow.one("1", 2)},
    )


def extra_hosts(grow: Grower) -> Any:
    hosts = grow.some(("somehost", "otherhost", "myhostv6", "h"), 3)
    return grow.one(
        {host: grow.one(grow.address(), [grow.address(), grow.address()], "host-gateway") for host in hosts},
        [f"{host}{grow.one('=', ':', '=')}{grow.one(grow.address(), '[::1]', 'host-gateway')}" for host in hosts],
    )


def depends_on(grow: Grower) -> Any:
    chosen = list(dict.fromkeys(grow.other() for _ in range(grow.chance.randint(1, 2))))
    if grow.likely(0.5):
        return chosen
    conditions = ("service_started", "service_healthy", "service_completed_successfully")
    return {
        name: {"condition": grow.chance.choice(conditions)}
        | (grow.optional(required=lambda: grow.one(True, False), restart=grow.boolean) if grow.likely(0.4) else {})
        for name in chosen
    }
