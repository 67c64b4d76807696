"""A container's settings as flat fields in the spec's words, read off any Config and HostConfig.

A create body, a live inspect and an image have the same shape here, so one reading serves all three, and comparing is
comparing dictionaries. What says nothing (zero, empty, the engine's fixed default) is no field.
Source: Engine API v1.50, ContainerConfig and HostConfig.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.plan.diff.mounts import mount_fields
from engine.plan.lower.naming import is_tool_label

Values = Mapping[str, Any]
Fields = dict[str, Any]
Pairs = Iterator[tuple[str, Any]]

# Network modes that are no network's name; the names themselves are compared as endpoints.
SPECIAL_MODES = frozenset({"host", "none"})
# Left unset, these are filled in by the engine from settings that its API doesn't tell: a live value is no difference
# unless the spec asked for one before (`io.rorqual.applied`).
ENGINE_CHOSEN = frozenset(
    {
        "cgroup",
        "cgroup_parent",
        "hostname",
        "init",
        "ipc",
        "isolation",
        "logging",
        "mac_address",
        "runtime",
        "shm_size",
        "storage_opt",
        "ulimits",
        "userns_mode",
    }
)
HEALTH = {
    "Test": "test",
    "Interval": "interval",
    "Timeout": "timeout",
    "StartPeriod": "start_period",
    "StartInterval": "start_interval",
    "Retries": "retries",
}
# API key → the spec's word, for settings that are compared as they stand, or as sets.
PROCESS = {
    "Hostname": "hostname",
    "Domainname": "domainname",
    "User": "user",
    "Tty": "tty",
    "OpenStdin": "stdin_open",
    "Cmd": "command",
    "WorkingDir": "working_dir",
    "MacAddress": "mac_address",
    "StopTimeout": "stop_grace_period",
}
HOST = {
    "CgroupParent": "cgroup_parent",
    "CgroupnsMode": "cgroup",
    "Dns": "dns",
    "DnsOptions": "dns_opt",
    "DnsSearch": "dns_search",
    "GroupAdd": "group_add",
    "Init": "init",
    "Isolation": "isolation",
    "OomKillDisable": "oom_kill_disable",
    "OomScoreAdj": "oom_score_adj",
    "Privileged": "privileged",
    "ReadonlyRootfs": "read_only",
    "Runtime": "runtime",
    "ShmSize": "shm_size",
    "UTSMode": "uts",
    "UsernsMode": "userns_mode",
    "VolumeDriver": "volume_driver",
    "CpuCount": "cpu_count",
    "CpuPercent": "cpu_percent",
    "CpuPeriod": "cpu_period",
    "CpuQuota": "cpu_quota",
    "CpuRealtimePeriod": "cpu_rt_period",
    "CpuRealtimeRuntime": "cpu_rt_runtime",
    "CpuShares": "cpu_shares",
    "CpusetCpus": "cpuset",
    "NanoCpus": "cpus",
    "Memory": "mem_limit",
    "MemoryReservation": "mem_reservation",
    "DeviceCgroupRules": "device_cgroup_rules",
    "BlkioWeight": "blkio_config.weight",
    "BlkioWeightDevice": "blkio_config.weight_device",
    "BlkioDeviceReadBps": "blkio_config.device_read_bps",
    "BlkioDeviceReadIOps": "blkio_config.device_read_iops",
    "BlkioDeviceWriteBps": "blkio_config.device_write_bps",
    "BlkioDeviceWriteIOps": "blkio_config.device_write_iops",
    "Devices": "devices",
    "DeviceRequests": "gpus",
}
NESTED = {"Sysctls": "sysctls", "StorageOpt": "storage_opt", "Annotations": "annotations"}


def fields_of(config: Values, host: Values, name_of: Callable[[str], str] = str) -> Fields:
    """Every setting that is set. `name_of` turns the id in `container:<id>` into the container's name."""
    scalars = (*process_fields(config), *host_fields(host, name_of))
    found = {path: value for path, value in scalars if value}
    if config.get("Entrypoint") is not None:
        found["entrypoint"] = config["Entrypoint"]
    return found | dict(map_fields(config, host)) | mount_fields(config, host)


def is_engine_chosen(path: str) -> bool:
    return path.partition(".")[0] in ENGINE_CHOSEN


def process_fields(config: Values) -> Pairs:
    for key in config.keys() & PROCESS.keys():
        yield PROCESS[key], config[key]
    signal = config.get("StopSignal")
    yield "stop_signal", None if signal in {"SIGTERM", "TERM", "15"} else signal
    check = config.get("Healthcheck") or {}
    for key, word in HEALTH.items():
        yield f"healthcheck.{word}", check.get(key)


def host_fields(host: Values, name_of: Callable[[str], str]) -> Pairs:
    for key in host.keys() & HOST.keys():
        yield HOST[key], host[key]
    yield "network_mode", shared(host.get("NetworkMode"), name_of, SPECIAL_MODES)
    yield "ipc", shared(host.get("IpcMode"), name_of, None)
    yield "pid", shared(host.get("PidMode"), name_of, None)
    yield "cap_add", sorted({capability(c) for c in host.get("CapAdd") or ()})
    yield "cap_drop", sorted({capability(c) for c in host.get("CapDrop") or ()})
    yield "security_opt", security_options(host)
    yield "volumes_from", sorted(volume_source(v, name_of) for v in host.get("VolumesFrom") or ())
    pids = host.get("PidsLimit")
    yield "pids_limit", pids if pids and pids > 0 else None
    swappiness = host.get("MemorySwappiness")
    yield "mem_swappiness", None if swappiness == -1 else swappiness
    swap, memory = host.get("MemorySwap"), host.get("Memory") or 0
    # the engine itself sets twice the memory where only a memory limit was asked for
    yield "memswap_limit", None if swap == 2 * memory else swap
    policy = host.get("RestartPolicy") or {}
    if policy.get("Name") not in (None, "", "no"):
        count = policy.get("MaximumRetryCount") or 0
        yield "restart", f"{policy['Name']}:{count}" if count else policy["Name"]


def exposed_ports(config: Values) -> Iterator[str]:
    """Each as `80/tcp`: Docker Compose sends `expose: ["80", "90-92/udp"]` as it stands, and engines keep it so."""
    for entry in config.get("ExposedPorts") or ():
        ports, _, protocol = entry.partition("/")
        first, _, last = ports.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            yield from (f"{port}/{protocol or 'tcp'}" for port in range(int(first), int(last or first) + 1))


def map_fields(config: Values, host: Values) -> Pairs:
    """Settings with keys of their own, one field a key; here an empty value is a value."""
    for entry in config.get("Env") or ():
        key, equals, value = entry.partition("=")
        if equals:
            yield f"environment.{key}", value
    for key, value in (config.get("Labels") or {}).items():
        if not is_tool_label(key):
            yield f"labels.{key}", value
    for port in exposed_ports(config):
        yield f"expose.{port}", True
    for port, bindings in (host.get("PortBindings") or {}).items():
        yield f"ports.{port}", sorted(binding(b) for b in bindings or ())
    for key, word in NESTED.items():
        for name, value in (host.get(key) or {}).items():
            yield f"{word}.{name}", value
    for limit in host.get("Ulimits") or ():
        yield f"ulimits.{limit['Name']}", f"{limit.get('Soft', 0)}:{limit.get('Hard', 0)}"
    for entry in host.get("ExtraHosts") or ():
        name, _, address = entry.partition(":")
        yield f"extra_hosts.{name}", address
    log = host.get("LogConfig") or {}
    if log.get("Type"):
        yield "logging.driver", log["Type"]
    for key, value in (log.get("Config") or {}).items():
        yield f"logging.options.{key}", value


def shared(mode: str | None, name_of: Callable[[str], str], special: frozenset[str] | None) -> str | None:
    """`container:<id>` by name; of other modes those in `special`, or all where it is None."""
    if mode and mode.startswith("container:"):
        return f"container:{name_of(mode.removeprefix('container:'))}"
    return mode if special is None or mode in special else None


def volume_source(entry: str, name_of: Callable[[str], str]) -> str:
    name, _, mode = entry.partition(":")
    return f"{name_of(name)}:{mode or 'rw'}"


def capability(text: str) -> str:
    return text.upper().removeprefix("CAP_")


def security_options(host: Values) -> list[str]:
    """Without `label=disable`, which the engine adds by itself to privileged containers and shared namespaces.

    `name:value` is the old spelling of `name=value`.
    """
    found = (t if "=" in t.partition(":")[0] else t.replace(":", "=", 1) for t in host.get("SecurityOpt") or ())
    return sorted(text for text in found if text != "label=disable")


def binding(entry: Values) -> str:
    ip, port = entry.get("HostIp") or "", entry.get("HostPort") or ""
    return f"{'' if ip == '0.0.0.0' else ip}:{'' if port == '0' else port}"
