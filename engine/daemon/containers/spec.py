"""The OCI spec of a container: what the runtime is told, out of the configuration and what was found for it.

Pure: everything that needs the machine is in `Situation`. Source: OCI runtime-spec v1.2; the choices are dockerd's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.api.errors import InvalidArgument
from engine.daemon.containers import devices as device
from engine.daemon.containers.capabilities import capabilities_of
from engine.daemon.containers.configuration import MASKED, READ_ONLY
from engine.daemon.containers.limits import Host, oom_score, resources_of, rlimits_of
from engine.daemon.containers.record import Container
from engine.daemon.containers.seccomp_profile import default_for, parse_profile, resolve_profile
from engine.daemon.containers.users import Account
from engine.oci.image import DEFAULT_PATH
from engine.oci.runtime_spec import Device, DeviceRule, Linux, Mount, Namespace, Process, RuntimeSpec, Seccomp

VERSION = "1.0.2"  # what runc 1.1 and crun 1.8 take
INIT_PATH = "/sbin/docker-init"


@dataclass(frozen=True, slots=True)
class Source:
    """A mount of the plan whose source exists: `path` for bind and volume."""

    destination: str
    kind: str
    path: str = ""
    read_only: bool = False
    propagation: str = "rprivate"
    recursive: bool = True
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """What the machine has for this container at this start.

    `joined` are paths of other processes' namespaces ("pid", "ipc", "network"); `files` the paths of its resolv.conf,
    hostname and hosts; `host_devices` every node of the host, for a privileged one.
    """

    host: Host
    account: Account
    sources: Sequence[Source]
    cgroup: str
    hostname: str
    files: Mapping[str, str] = field(default_factory=dict)
    joined: Mapping[str, str] = field(default_factory=dict)
    init: str | None = None
    shm: str | None = None
    host_devices: Sequence[Device] = ()
    # What links add to the environment, as the containers on the default bridge know each other.
    linked: Sequence[str] = ()


def make_spec(container: Container, situation: Situation) -> tuple[RuntimeSpec, list[str]]:
    """→ (spec, warnings: what this host can't do). Raises InvalidArgument."""
    warnings: list[str] = []
    host = container.host
    process = make_process(container, situation, warnings)
    linux: Linux = {
        "namespaces": namespaces(container, situation),
        "cgroupsPath": situation.cgroup,
        "maskedPaths": list(host.get("MaskedPaths") or []),
        "readonlyPaths": list(host.get("ReadonlyPaths") or []),
        "sysctl": sysctls(container, situation, warnings),
    }
    resources, said = resources_of(host, situation.host)
    if resources.get("pids", {}).get("limit") == -1:
        del resources["pids"]  # a new cgroup has no limit
    warnings += said
    nodes, rules = device_parts(container, situation)
    resources["devices"] = rules
    linux["resources"] = resources
    linux["devices"] = nodes
    capabilities = process.get("capabilities", {}).get("bounding", [])
    if (profile := seccomp(container, capabilities, situation.host)) is not None:
        linux["seccomp"] = profile
    if propagation := root_propagation(situation.sources):
        linux["rootfsPropagation"] = propagation
    spec: RuntimeSpec = {
        "ociVersion": VERSION,
        "process": process,
        "root": {"path": "rootfs", "readonly": bool(host.get("ReadonlyRootfs"))},
        "mounts": mounts(container, situation),
        "linux": linux,
    }
    if host.get("Annotations"):
        spec["annotations"] = dict(host["Annotations"])
    if host.get("UTSMode") != "host":
        spec["hostname"] = situation.hostname
    return spec, warnings


# --- the process -------------------------------------------------------------------------------------------------
def make_process(container: Container, situation: Situation, warnings: list[str]) -> Process:
    host = container.host
    account = situation.account
    words = container.command
    if situation.init is not None:
        words = [INIT_PATH, "--", *words]
    process: Process = {
        "terminal": container.tty,
        "user": user_of(account),
        "args": words,
        "env": with_home(environment(container, situation.hostname, situation.linked), account),
        "cwd": container.config.get("WorkingDir") or "/",
    }
    size = host.get("ConsoleSize") or [0, 0]
    if container.tty and all(size):
        process["consoleSize"] = {"height": size[0], "width": size[1]}
    held, missing = capabilities_of(
        host.get("CapAdd") or [],
        host.get("CapDrop") or [],
        privileged=bool(host.get("Privileged")),
        available=situation.host.capabilities,
    )
    warnings += [f"This engine itself has no {name}: the container does without it." for name in missing]
    set_capabilities(process, held)
    limits, said = rlimits_of(host.get("Ulimits") or [], situation.host)
    warnings += said
    if limits:
        process["rlimits"] = limits
    options = security_options(host.get("SecurityOpt") or [])
    if options.get("no-new-privileges") == "true":
        process["noNewPrivileges"] = True
    apparmor(process, options, situation.host, warnings)
    score, said = oom_score(host.get("OomScoreAdj") or 0, situation.host)
    warnings += said
    if score is not None:
        process["oomScoreAdj"] = score
    return process


def user_of(account: Account) -> Any:
    made: dict[str, Any] = {"uid": account.uid, "gid": account.gid}
    # Group 0 too, where it is one of them: dockerd puts the main group first.
    extra = list(dict.fromkeys([account.gid, *account.groups]))
    made["additionalGids"] = extra
    return made


def set_capabilities(process: Process, held: list[str]) -> None:
    """Only root has them at once: for others they are what a set-user-id program could get (as execve has it)."""
    process["capabilities"] = {"bounding": held}
    if process["user"]["uid"] == 0:
        process["capabilities"] = {"bounding": held, "effective": held, "permitted": held}


def apparmor(process: Process, options: Mapping[str, str], host: Host, warnings: list[str]) -> None:
    profile = options.get("apparmor")
    if profile is None or profile == "unconfined":
        return
    if host.apparmor:
        process["apparmorProfile"] = profile
    else:
        warnings.append(f"This kernel has no AppArmor: the profile {profile} is not applied.")


def environment(container: Container, hostname: str, linked: Sequence[str] = ()) -> list[str]:
    """PATH, HOSTNAME, TERM and links first, then what user and image said; a name alone takes a variable away."""
    made = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if container.tty:
        made["TERM"] = "xterm"
    made |= dict(entry.split("=", 1) for entry in linked)
    for entry in container.config.get("Env") or []:
        name, equals, value = entry.partition("=")
        if equals:
            made[name] = value
        else:
            made.pop(name, None)
    return [f"{name}={value}" for name, value in made.items()]


def with_home(env: list[str], account: Account) -> list[str]:
    """HOME is the user's, where nobody says another: not every runtime sees to it for a number without a name."""
    return env if any(entry.startswith("HOME=") for entry in env) else [*env, f"HOME={account.home or '/'}"]


def security_options(texts: Sequence[str]) -> dict[str, str]:
    """`name=value` or the old `name:value`. Raises InvalidArgument."""
    made: dict[str, str] = {}
    for text in texts:
        if text == "no-new-privileges":
            made[text] = "true"
            continue
        name, sign, value = text.partition("=")
        if not sign:
            name, sign, value = text.partition(":")
        if (
            name not in ("seccomp", "apparmor", "label", "no-new-privileges", "systempaths", "writable-cgroups")
            or not sign
        ):
            number = 2 if sign else 1
            raise InvalidArgument(f'invalid --security-opt {number}: "{text}"')
        if name == "no-new-privileges" and value not in ("true", "false", "1", "0"):
            raise InvalidArgument(f"invalid --security-opt: {text!r}")
        made[name] = {"1": "true", "0": "false"}.get(value, value) if name == "no-new-privileges" else value
    return made


def seccomp(container: Container, capabilities: Sequence[str], host: Host) -> Seccomp | None:
    """None: unconfined."""
    wanted = security_options(container.host.get("SecurityOpt") or []).get("seccomp")
    if wanted == "unconfined" or (container.host.get("Privileged") and wanted is None):
        return None
    if wanted in (None, "builtin", ""):
        return default_for(frozenset(capabilities), host.machine)
    return resolve_profile(parse_profile(wanted or ""), capabilities, host.machine)


# --- namespaces ----------------------------------------------------------------------------------------------------
def namespaces(container: Container, situation: Situation) -> list[Namespace]:
    """Its own, another container's, or (left out) the host's."""
    host = container.host
    made: list[Namespace] = [{"type": "mount"}]
    modes = {
        "pid": host.get("PidMode"),
        "ipc": host.get("IpcMode"),
        "uts": host.get("UTSMode"),
        "network": container.network_mode,
    }
    for kind, mode in modes.items():
        if mode == "host":
            continue
        if kind in situation.joined:
            made.append({"type": kind, "path": situation.joined[kind]})
        else:
            made.append({"type": kind})
    if host.get("CgroupnsMode") == "private":
        made.append({"type": "cgroup"})
    return made


def sysctls(container: Container, situation: Situation, warnings: list[str]) -> dict[str, str]:
    """Those asked for, but for network ones in the host's network: they are the host's."""
    made: dict[str, str] = {}
    host_network = container.network_mode == "host"
    for name, value in (container.host.get("Sysctls") or {}).items():
        if host_network and name.startswith("net."):
            warnings.append(f"The sysctl {name} is the host's in network mode host: it is not set.")
        else:
            made[name] = value
    if not host_network and "network" not in situation.joined:
        # Ports below 1024 and ping for everybody, as Docker 20.10 and later: only in a network namespace of its own.
        made.setdefault("net.ipv4.ip_unprivileged_port_start", "0")
        made.setdefault("net.ipv4.ping_group_range", "0 2147483647")
    if (domain := container.config.get("Domainname")) and container.host.get("UTSMode") != "host":
        made["kernel.domainname"] = domain
    return made


# --- devices -------------------------------------------------------------------------------------------------------
def device_parts(container: Container, situation: Situation) -> tuple[list[Device], list[DeviceRule]]:
    host = container.host
    nodes, rules = device.asked_devices(host.get("Devices") or [])
    if host.get("Privileged"):
        asked = {node["path"] for node in nodes}
        return [*nodes, *(n for n in situation.host_devices if n["path"] not in asked)], [device.ALLOW_ALL]
    return nodes, [*device.DEFAULT_RULES, *rules, *device.asked_rules(host.get("DeviceCgroupRules") or [])]


# --- mounts --------------------------------------------------------------------------------------------------------
def mounts(container: Container, situation: Situation) -> list[Mount]:
    """The kernel's file systems, the engine's files, then the user's in order of depth, which may lie over both."""
    host = container.host
    privileged = bool(host.get("Privileged"))
    writable = "rw" if privileged else "ro"
    made: list[Mount] = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        },
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", writable]},
        {
            "destination": "/sys/fs/cgroup",
            "type": "cgroup",
            "source": "cgroup",
            "options": [writable, "nosuid", "noexec", "nodev"],
        },
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    ]
    if host.get("IpcMode") == "host":
        # The host's own queues, where it has them mounted.
        made.pop()
        if situation.host.queues:
            options = ["rbind", "nosuid", "noexec", "nodev"]
            made.append({"destination": "/dev/mqueue", "type": "bind", "source": "/dev/mqueue", "options": options})
    taken = {source.destination for source in situation.sources}
    if "/dev/shm" not in taken and host.get("IpcMode") != "none":
        made.append(shm(container, situation))
    for name, path in situation.files.items():
        if f"/etc/{name}" not in taken:
            mode = "ro" if host.get("ReadonlyRootfs") else "rw"
            made.append(
                {"destination": f"/etc/{name}", "type": "bind", "source": path, "options": ["rbind", "rprivate", mode]}
            )
    if situation.init is not None:
        made.append({"destination": INIT_PATH, "type": "bind", "source": situation.init, "options": ["bind", "ro"]})
    made = [mount for mount in made if mount["destination"] not in taken]
    return made + [source_mount(source) for source in sorted(situation.sources, key=depth)]


def depth(source: Source) -> tuple[int, str]:
    return source.destination.rstrip("/").count("/"), source.destination


def shm(container: Container, situation: Situation) -> Mount:
    if situation.shm is not None:
        return {
            "destination": "/dev/shm",
            "type": "bind",
            "source": situation.shm,
            "options": ["rbind", "rprivate", "nosuid", "noexec", "nodev"],
        }
    size = container.host.get("ShmSize") or 64 << 20
    options = ["nosuid", "noexec", "nodev", "mode=1777", f"size={size}"]
    return {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": options}


def source_mount(source: Source) -> Mount:
    if source.kind == "tmpfs":
        options = list(source.options)
        words = {option.partition("=")[0] for option in options}
        base = [
            w
            for w, against in (("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec"))
            if against not in words and w not in words
        ]
        if source.read_only:
            options.append("ro")
        return {"destination": source.destination, "type": "tmpfs", "source": "tmpfs", "options": [*base, *options]}
    options = [
        "rbind" if source.recursive else "bind",
        "ro" if source.read_only else "rw",
        source.propagation or "rprivate",
    ]
    return {"destination": source.destination, "type": "bind", "source": source.path, "options": options}


def root_propagation(sources: Sequence[Source]) -> str | None:
    """Shared or slave binds need a root that lets mounts through."""
    asked = {source.propagation.removeprefix("r") for source in sources}
    if "shared" in asked:
        return "shared"
    return "rslave" if "slave" in asked else None


__all__ = ["MASKED", "READ_ONLY", "Situation", "Source", "make_spec"]
