"""What a create or an update may not say: checked before anything is made, in dockerd's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from engine.api.errors import InvalidArgument
from engine.daemon.containers.body_types import CONFIG_TYPES, HEALTH_TYPES, HOST_TYPES, check_types
from engine.daemon.containers.capabilities import normal
from engine.daemon.signals import signal_number

LEAST_MEMORY = 6 << 20
SPOKEN = {
    "PidMode": "PID",
    "IpcMode": "IPC",
    "UTSMode": "UTS",
    "UsernsMode": "userns",
    "CgroupnsMode": "cgroup namespace",
}
LOG_DRIVERS = ("json-file", "local", "none")
OWN_SYSCTLS = [
    *("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax"),
    *("kernel.shmmni", "kernel.shm_rmid_forced", "kernel.domainname"),
]
LOG_OPTIONS = [
    "max-size",
    "max-file",
    "compress",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
    "mode",
    "max-buffer-size",
]


def check_config(config: Mapping[str, Any]) -> None:
    """Raises InvalidArgument."""
    check_types(config, CONFIG_TYPES)
    check_types(config.get("Healthcheck") or {}, HEALTH_TYPES)
    # as much as the kernel takes, in one word of /etc/hosts: dockerd asks for no more
    if not re.fullmatch(r"[!-~]{0,64}", config.get("Hostname") or ""):
        raise InvalidArgument(f"invalid hostname format: {config['Hostname']}")
    workdir = config.get("WorkingDir") or ""
    if workdir and not workdir.startswith("/"):
        raise InvalidArgument(f"the working directory '{workdir}' is invalid, it needs to be an absolute path")
    if any(not entry.partition("=")[0] for entry in config.get("Env") or []):
        raise InvalidArgument("invalid environment variable: an entry has no name")
    if config.get("StopSignal"):
        signal_number(config["StopSignal"])
    health = config.get("Healthcheck") or {}
    for key in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        if 0 < health.get(key, 0) < 1_000_000:
            raise InvalidArgument(f"{key} in Healthcheck cannot be less than 1ms")
        if health.get(key, 0) < 0:
            raise InvalidArgument(f"{key} in Healthcheck cannot be negative")
    if health.get("Retries", 0) < 0:
        raise InvalidArgument("Retries in Healthcheck cannot be negative")
    for port in config.get("ExposedPorts") or {}:
        check_port(port)


def check_host(host: Mapping[str, Any]) -> None:
    """Raises InvalidArgument."""
    check_types(host, HOST_TYPES)
    for key in ("CapAdd", "CapDrop"):
        for word in host.get(key) or []:
            normal(word, key)
    check_restart(host.get("RestartPolicy") or {}, bool(host.get("AutoRemove")))
    check_resources(host)
    driver = (host.get("LogConfig") or {}).get("Type") or "json-file"
    if driver not in LOG_DRIVERS:
        raise InvalidArgument(f'error looking up logging plugin {driver}: plugin "{driver}" not found')
    check_log_options((host.get("LogConfig") or {}).get("Config") or {})
    check_modes(host)
    for port, bindings in (host.get("PortBindings") or {}).items():
        check_port(port)
        for binding in bindings or []:
            if not re.fullmatch(r"(\d{1,5}(-\d{1,5})?)?", str(binding.get("HostPort") or ""), re.ASCII):
                raise InvalidArgument(f"invalid port specification: {binding.get('HostPort')!r}")
    check_extra_hosts(host.get("ExtraHosts") or [])
    check_sysctls(host.get("Sysctls") or {})
    parent = host.get("CgroupParent") or ""
    if not re.fullmatch(r"[A-Za-z0-9_.:/@-]{0,200}", parent, re.ASCII) or ".." in parent.split("/"):
        raise InvalidArgument(f"invalid cgroup parent: {json_text(parent)}")
    for key in ("CpuRealtimePeriod", "CpuRealtimeRuntime"):
        if host.get(key, 0) < 0:
            raise InvalidArgument(f"{key} can not be negative")
    if host.get("ShmSize", 0) < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    if not -1000 <= host.get("OomScoreAdj", 0) <= 1000:
        raise InvalidArgument(f"Invalid value {host['OomScoreAdj']}, range for oom score adj is [-1000, 1000]")


def check_together(config: Mapping[str, Any], host: Mapping[str, Any]) -> None:
    """What contradicts itself only between the two halves of a create's body. Raises InvalidArgument."""
    if host.get("UTSMode") == "host" and config.get("Hostname"):
        raise InvalidArgument("conflicting options: hostname and the UTS mode")
    if not (host.get("NetworkMode") or "").startswith("container:"):
        return
    if config.get("Hostname"):
        raise InvalidArgument("conflicting options: hostname and the network mode")
    if config.get("MacAddress"):
        raise InvalidArgument("conflicting options: mac-address and the network mode")
    if config.get("ExposedPorts"):
        raise InvalidArgument("conflicting options: port exposing and the container type network mode")


def check_extra_hosts(entries: Sequence[str]) -> None:
    """`name:address`; host-gateway stands for an address."""
    for entry in entries:
        name, sign, address = entry.partition(":")
        if not sign or not name:
            raise InvalidArgument(f"bad format for add-host: {json_text(entry)}")
        if address != "host-gateway" and not is_address(address.removeprefix("[").removesuffix("]")):
            raise InvalidArgument(f"invalid IP address in add-host: {json_text(address)}")


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def check_sysctls(sysctls: Mapping[str, str]) -> None:
    """Only what belongs to a namespace can be a container's own."""
    for name in sysctls:
        if name not in OWN_SYSCTLS and not name.startswith(("net.", "fs.mqueue.")):
            raise InvalidArgument(f"sysctl '{name}' is not allowed: it is not of a namespace of the container's")


def check_restart(policy: Mapping[str, Any], auto_remove: bool) -> None:
    name, tries = policy.get("Name") or "", policy.get("MaximumRetryCount") or 0
    if name not in ("", "no", "always", "unless-stopped", "on-failure"):
        raise InvalidArgument(
            f"invalid restart policy: unknown policy '{name}'; "
            "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )
    if tries and name != "on-failure":
        raise InvalidArgument(
            f"invalid restart policy: maximum retry count cannot be used with restart policy '{name}'"
        )
    if tries < 0:
        raise InvalidArgument("invalid restart policy: maximum retry count cannot be negative")
    if auto_remove and name not in ("", "no"):
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")


def check_resources(host: Mapping[str, Any]) -> None:
    """The limits, at create and in an update."""
    memory, swap = host.get("Memory") or 0, host.get("MemorySwap") or 0
    if 0 < memory < LEAST_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if memory > 0 and 0 < swap < memory:
        raise InvalidArgument("Minimum memoryswap limit should be larger than memory limit, see usage")
    if memory == 0 and swap > 0:
        raise InvalidArgument("You should always set the Memory limit when using Memoryswap limit, see usage")
    reservation = host.get("MemoryReservation") or 0
    if 0 < reservation < LEAST_MEMORY:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if 0 < memory < reservation:
        raise InvalidArgument("Minimum memory limit can not be less than memory reservation limit, see usage")
    if (swappiness := host.get("MemorySwappiness")) is not None and not -1 <= swappiness <= 100:
        raise InvalidArgument(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")
    nano, period, quota = host.get("NanoCpus") or 0, host.get("CpuPeriod") or 0, host.get("CpuQuota") or 0
    if nano and (period or quota):
        raise InvalidArgument(
            f"Conflicting options: Nano CPUs and CPU {'Period' if period else 'Quota'} cannot both be set"
        )
    if nano < 0:
        raise InvalidArgument("range of CPUs is from 0.01 on: NanoCpus cannot be negative")
    if period and not 1000 <= period <= 1_000_000:
        raise InvalidArgument("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < quota < 1000:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    weight = host.get("BlkioWeight") or 0
    if weight and not 10 <= weight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")
    for key in ("CpusetCpus", "CpusetMems"):
        if not re.fullmatch(r"(\d+(-\d+)?(,\d+(-\d+)?)*)?", host.get(key) or "", re.ASCII):
            raise InvalidArgument(
                f"Invalid value {host[key]} for {'cpuset cpus' if key == 'CpusetCpus' else 'cpuset mems'}: "
                f"invalid format: {host[key]}"
            )


def check_modes(host: Mapping[str, Any]) -> None:
    simple = {
        "PidMode": ("", "host"),
        "IpcMode": ("", "none", "private", "shareable", "host"),
        "UTSMode": ("", "host"),
        "UsernsMode": ("", "host"),
        "CgroupnsMode": ("", "private", "host"),
    }
    for key, words in simple.items():
        mode = host.get(key) or ""
        joins = key in ("PidMode", "IpcMode") and mode.startswith("container:") and len(mode) > len("container:")
        if mode not in words and not joins:
            raise InvalidArgument(f"invalid {SPOKEN[key]} mode: {mode}")
    if (isolation := host.get("Isolation") or "") not in ("", "default"):
        raise InvalidArgument(f"Invalid isolation: {json_text(isolation)} - linux only supports 'default'")
    if host.get("StorageOpt"):
        raise InvalidArgument("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")
    network = host.get("NetworkMode") or ""
    if network == "container:":
        raise InvalidArgument("invalid container format container:<name|id>")
    joined = network.startswith("container:")
    if (joined or network == "host") and host.get("Links"):
        kind = "container type network" if joined else "host type networking"
        raise InvalidArgument(
            f"conflicting options: {kind} can't be used with links. This would result in undefined behavior"
        )
    if joined and (host.get("PortBindings") or host.get("PublishAllPorts")):
        raise InvalidArgument("conflicting options: port publishing and the container type network mode")
    if joined and host.get("Dns"):
        raise InvalidArgument("conflicting options: dns and the network mode")
    if joined and host.get("ExtraHosts"):
        raise InvalidArgument("conflicting options: custom host-to-IP mapping and the network mode")


def check_log_options(options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        if key not in LOG_OPTIONS:
            raise InvalidArgument(f"unknown log opt '{key}' for json-file log driver")
        if key == "max-size":
            size_of(str(value))
        if key == "max-file" and (not str(value).isdecimal() or int(value) < 1):
            raise InvalidArgument("max-file cannot be less than 1")
    mode = options.get("mode") or "blocking"
    if mode not in ("blocking", "non-blocking"):
        raise InvalidArgument(f"logger: logging mode not supported: {mode}")
    if options.get("max-buffer-size") and mode != "non-blocking":
        raise InvalidArgument("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
    compress = str(options.get("compress")).lower() in ("true", "1", "t")
    if compress and (not options.get("max-size") or int(options.get("max-file") or 1) < 2):
        raise InvalidArgument("compress cannot be true when max-file is less than 2 or max-size is not set")


def size_of(text: str) -> int:
    """`10m` → bytes; -1 is unlimited. Raises InvalidArgument."""
    found = re.fullmatch(r"(-1|\d+(?:\.\d+)?) ?([kmgt]?)i?b?", text.strip().lower(), re.ASCII)
    if not found:
        raise InvalidArgument(f"invalid size: '{text}'")
    return int(float(found[1]) * 1024 ** " kmgt".index(found[2] or " "))


def check_port(port: str) -> None:
    number, _, protocol = port.partition("/")
    if not re.fullmatch(r"\d{1,5}(-\d{1,5})?", number, re.ASCII) or any(int(n) > 65535 for n in number.split("-")):
        raise InvalidArgument(f"invalid port specification: {json_text(port)}")
    if protocol not in ("", "tcp", "udp", "sctp"):
        raise InvalidArgument(f"invalid protocol: {protocol}")


def json_text(text: str) -> str:
    return f'"{text}"'
