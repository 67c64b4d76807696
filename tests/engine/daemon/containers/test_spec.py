"""The OCI spec: what the runtime is told, for both cgroup versions and the modes that take isolation away."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engine.api.errors import InvalidArgument
from engine.daemon.containers.capabilities import DEFAULT, capabilities_of
from engine.daemon.containers.limits import resources_of
from engine.daemon.containers.linking import link_variables
from engine.daemon.containers.seccomp_profile import default_profile, resolve_profile
from engine.daemon.containers.spec import Source, make_spec
from engine.daemon.containers.users import Account
from tests.engine.daemon.containers.values import container, host, situation


def namespaces(**host_config: Any) -> dict[str, str]:
    spec, _ = make_spec(container(**host_config), situation())
    return {n["type"]: n.get("path", "") for n in spec["linux"]["namespaces"]}


def test_everything_is_its_own_by_default() -> None:
    assert set(namespaces()) == {"mount", "pid", "ipc", "uts", "network", "cgroup"}


def test_host_modes_leave_a_namespace_out() -> None:
    found = namespaces(PidMode="host", IpcMode="host", UTSMode="host", NetworkMode="host", CgroupnsMode="host")
    assert set(found) == {"mount"}


def test_a_joined_namespace_is_named_by_its_path() -> None:
    asked = container(PidMode="container:x", NetworkMode="container:x")
    spec, _ = make_spec(asked, situation(joined={"pid": "/proc/9/ns/pid", "network": "/proc/9/ns/net"}))
    found = {n["type"]: n.get("path") for n in spec["linux"]["namespaces"]}
    assert (found["pid"], found["network"]) == ("/proc/9/ns/pid", "/proc/9/ns/net")
    assert "net.ipv4.ip_unprivileged_port_start" not in spec["linux"]["sysctl"]


def test_root_holds_dockers_capabilities_and_others_only_the_bounding_set() -> None:
    spec, _ = make_spec(container(), situation())
    held = spec["process"]["capabilities"]
    assert set(held["effective"]) == set(held["bounding"]) == DEFAULT
    spec, _ = make_spec(container(), situation(account=Account(33, 33, (), "/")))
    held = spec["process"]["capabilities"]
    assert set(held["bounding"]) == DEFAULT and "effective" not in held


def test_capabilities_are_added_dropped_and_never_more_than_the_daemons() -> None:
    available = frozenset({"CAP_CHOWN", "CAP_KILL", "CAP_SYS_ADMIN"})
    held, missing = capabilities_of(["net_admin"], ["ALL"], privileged=False, available=available)
    assert (held, missing) == ([], ["CAP_NET_ADMIN"])
    held, _ = capabilities_of(["ALL"], ["CAP_KILL"], privileged=False, available=available)
    assert held == ["CAP_CHOWN", "CAP_SYS_ADMIN"]
    assert capabilities_of([], [], privileged=True, available=available)[0] == [
        "CAP_CHOWN",
        "CAP_KILL",
        "CAP_SYS_ADMIN",
    ]


def allowed(capabilities: set[str]) -> set[str]:
    profile = resolve_profile(default_profile(), capabilities, "x86_64")
    return {
        name
        for rule in profile["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
        for name in rule["names"]
    }


def test_the_default_profile_gives_mounts_and_namespaces_only_to_administrators() -> None:
    guarded = {"mount", "umount2", "unshare", "setns", "clone", "clone3", "fsopen", "bpf", "open_tree", "move_mount"}
    assert not guarded & allowed(set(DEFAULT))
    assert guarded <= allowed({*DEFAULT, "CAP_SYS_ADMIN"})
    assert not {"keyctl", "add_key", "kexec_load", "userfaultfd", "pivot_root"} & allowed(set(DEFAULT))
    assert {"read", "write", "execve", "openat2", "futex", "ptrace"} <= allowed(set(DEFAULT))


def test_clone_is_allowed_but_for_new_namespaces() -> None:
    profile = resolve_profile(default_profile(), set(DEFAULT), "x86_64")
    (rule,) = [r for r in profile["syscalls"] if r["names"] == ["clone"]]
    assert rule["args"] == [{"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]
    (third,) = [r for r in profile["syscalls"] if r["names"] == ["clone3"]]
    assert (third["action"], third["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def test_a_profile_of_the_users_is_taken_and_a_broken_one_refused() -> None:
    asked = container(
        SecurityOpt=['seccomp={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"x","action":"SCMP_ACT_ERRNO"}]}']
    )
    spec, _ = make_spec(asked, situation())
    assert spec["linux"]["seccomp"]["syscalls"] == [{"names": ["x"], "action": "SCMP_ACT_ERRNO"}]
    with pytest.raises(InvalidArgument, match="Decoding seccomp profile failed"):
        make_spec(container(SecurityOpt=["seccomp={"]), situation())


def test_privileged_takes_the_walls_away() -> None:
    node: Any = {"type": "c", "path": "/dev/odd", "major": 1, "minor": 2, "fileMode": 0o666, "uid": 0, "gid": 0}
    spec, _ = make_spec(container(Privileged=True), situation(host_devices=[node]))
    linux = spec["linux"]
    assert "seccomp" not in linux
    assert (linux["maskedPaths"], linux["readonlyPaths"]) == ([], [])
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert node in linux["devices"]
    assert "rw" in next(m for m in spec["mounts"] if m["destination"] == "/sys")["options"]


def test_by_default_devices_are_denied_but_for_the_usual_ones() -> None:
    spec, _ = make_spec(container(DeviceCgroupRules=["c 13:* rw"]), situation())
    rules = spec["linux"]["resources"]["devices"]
    assert rules[0] == {"allow": False, "access": "rwm"}
    assert {"allow": True, "type": "c", "major": 13, "access": "rw"} in rules
    with pytest.raises(InvalidArgument, match="invalid device cgroup rule"):
        make_spec(container(DeviceCgroupRules=["z 1:1 r"]), situation())


def test_the_users_mounts_come_last_by_depth_and_take_the_engines_places() -> None:
    sources = [
        Source("/etc/hosts", "bind", "/mine"),
        Source("/a/b", "bind", "/y"),
        Source("/a", "bind", "/x", read_only=True),
    ]
    spec, _ = make_spec(container(), situation(sources=sources))
    places = [mount["destination"] for mount in spec["mounts"]]
    assert places[-3:] == ["/a", "/a/b", "/etc/hosts"]
    assert places.count("/etc/hosts") == 1
    assert "ro" in next(m for m in spec["mounts"] if m["destination"] == "/a")["options"]


@pytest.mark.parametrize(("propagation", "root"), [("rprivate", None), ("rshared", "shared"), ("slave", "rslave")])
def test_the_root_lets_mounts_through_where_a_bind_asks_for_it(propagation: str, root: str | None) -> None:
    spec, _ = make_spec(container(), situation(sources=[Source("/a", "bind", "/x", propagation=propagation)]))
    assert spec["linux"].get("rootfsPropagation") == root


def test_network_sysctls_are_dropped_with_a_warning_in_the_hosts_network() -> None:
    spec, warnings = make_spec(container(NetworkMode="host", Sysctls={"net.core.somaxconn": "9"}), situation())
    assert spec["linux"]["sysctl"] == {}
    assert any("net.core.somaxconn" in warning for warning in warnings)


def test_limits_past_the_daemons_own_are_held_down_with_a_warning() -> None:
    asked = container(Ulimits=[{"Name": "nofile", "Soft": 5000, "Hard": 9000}], OomScoreAdj=-500)
    spec, warnings = make_spec(asked, situation())
    assert spec["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}]
    assert "oomScoreAdj" not in spec["process"]
    assert len(warnings) == 2
    spec, warnings = make_spec(asked, situation(host=host(may_raise=True)))
    assert spec["process"]["rlimits"][0]["hard"] == 9000
    assert (spec["process"]["oomScoreAdj"], warnings) == (-500, [])


def test_limits_become_cgroup_values() -> None:
    asked = container(Memory=64 << 20, MemorySwap=-1, NanoCpus=1_500_000_000, PidsLimit=7, CpusetCpus="0-1")
    spec, warnings = make_spec(asked, situation())
    resources = spec["linux"]["resources"]
    assert resources["memory"] == {"limit": 64 << 20, "swap": -1}
    assert resources["cpu"] == {"period": 100_000, "quota": 150_000, "cpus": "0-1"}
    assert (resources["pids"], warnings) == ({"limit": 7}, [])


def test_what_only_cgroup_v1_can_do_is_a_warning_on_v2() -> None:
    asked = container(MemorySwappiness=5, OomKillDisable=True, Memory=64 << 20)
    _, warnings = make_spec(asked, situation())
    assert len(warnings) == 2
    spec, warnings = make_spec(asked, situation(host=host(cgroup_version=1)))
    assert spec["linux"]["resources"]["memory"]["disableOOMKiller"] is True
    assert warnings == []


def test_without_swap_accounting_memory_is_limited_with_a_warning() -> None:
    spec, warnings = make_spec(container(Memory=64 << 20), situation(host=host(swap_limit=False)))
    assert spec["linux"]["resources"]["memory"] == {"limit": 64 << 20}
    assert "swap limit" in warnings[0]


def test_the_environment_has_path_and_hostname_and_a_bare_name_takes_one_away() -> None:
    spec, _ = make_spec(container({"Env": ["A=1", "PATH=/p", "HOSTNAME"], "Tty": True}), situation())
    assert spec["process"]["env"] == ["PATH=/p", "TERM=xterm", "A=1", "HOME=/root"]


def test_an_init_runs_the_command_and_is_mounted() -> None:
    spec, _ = make_spec(container(), situation(init="/usr/bin/tini"))
    assert spec["process"]["args"] == ["/sbin/docker-init", "--", "sleep", "1"]
    assert any(m["destination"] == "/sbin/docker-init" and m["source"] == "/usr/bin/tini" for m in spec["mounts"])


def test_links_are_told_in_the_environment_as_docker_tells_them() -> None:
    told = list(link_variables("/web/my-db", "172.17.0.2", ["53/udp", "80/tcp"], ["PATH=/bin", "KEY=a=b"]))
    assert told == [
        "MY_DB_PORT=tcp://172.17.0.2:80",
        "MY_DB_PORT_80_TCP=tcp://172.17.0.2:80",
        "MY_DB_PORT_80_TCP_ADDR=172.17.0.2",
        "MY_DB_PORT_80_TCP_PORT=80",
        "MY_DB_PORT_80_TCP_PROTO=tcp",
        "MY_DB_PORT_53_UDP=udp://172.17.0.2:53",
        "MY_DB_PORT_53_UDP_ADDR=172.17.0.2",
        "MY_DB_PORT_53_UDP_PORT=53",
        "MY_DB_PORT_53_UDP_PROTO=udp",
        "MY_DB_NAME=/web/my-db",
        "MY_DB_ENV_KEY=a=b",
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"NanoCpus": 5_000_000_000}, "Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"),
        ({"CpusetCpus": "0-7"}, "Requested CPUs are not available - requested 0-7, available: 0-3"),
        ({"CpusetMems": "1"}, "Requested memory nodes are not available - requested 1, available: 0"),
    ],
)
def test_more_processors_than_there_are_is_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(words)):
        resources_of(asked, host(cpus=4, online_cpus="0-3", online_nodes="0"))
