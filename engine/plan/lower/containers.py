"""One replica of a service as the body of `POST /containers/create`.

Source: Engine API v1.50, ContainerCreate; where a Compose key has several places to go, Compose's choice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.graph.address import Address, Kind
from engine.plan.desired import DesiredContainer, Hook
from engine.plan.lower.endpoints import drop_unset, endpoints
from engine.plan.lower.limits import resources
from engine.plan.lower.mounts import Mounts, lower_mounts
from engine.plan.lower.naming import (
    APPLIED,
    CONFIG_HASH,
    DEPENDS_ON,
    NUMBER,
    ONEOFF,
    PROVIDED,
    SERVICE,
    Naming,
    project_labels,
)
from engine.plan.options import unsealed
from engine.plan.sensitive import marked_names, sensitive_values, telling
from specs.models import Healthcheck, Project, Service
from specs.models import Hook as HookModel
from specs.output import service_hash
from specs.units import nanoseconds, seconds


@dataclass(slots=True)
class Lowering:
    """What lowering needs beside the service: names, and the facts that the machine read for it.

    `contents` maps a host path to the digest of its content (or None); `seal` makes a digest of a sensitive value;
    `profiles` holds the content of seccomp profiles by path as written; `provided` are the variables of a service that
    a provider gave, which are in its environment already.
    """

    project: Project
    naming: Naming
    contents: Mapping[str, str | None] = field(default_factory=dict)
    seal: Callable[[str], str] = unsealed
    profiles: Mapping[str, str] = field(default_factory=dict)
    provided: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    hidden: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.hidden = telling(sensitive_values(self.project))

    def container(self, key: str, number: int) -> DesiredContainer:
        """The desired state of replica `number` (from 1) of service `key`."""
        service = self.project.services[key]
        name = self.naming.container(service, key, number)
        mounts = lower_mounts(self.project, service)
        body = {
            **process(service),
            "Image": self.naming.image(self.project, service, key),
            "ExposedPorts": exposed(service),
            "Volumes": mounts.anonymous,
            "Labels": dict(service.labels or {}),
            "HostConfig": self.host_config(service, mounts),
        }
        networks = endpoints(self.project, key, service, name, self.links(service))
        if networks:
            body["NetworkingConfig"] = {"EndpointsConfig": networks}
        body = drop_unset(body)
        if service.entrypoint == []:
            # unlike an entrypoint that is left out, an empty one hides the image's
            body["Entrypoint"] = []
        return DesiredContainer(
            address=Address(Kind.SERVICE, key, number),
            name=name,
            image=body["Image"],
            body=body,
            files=tuple(mounts.files),
            contents=self.digests(mounts),
            sensitive=frozenset(mounts.secret_targets),
            post_start=tuple(hook(h) for h in service.post_start or ()),
            pre_stop=tuple(hook(h) for h in service.pre_stop or ()),
            stop_seconds=grace_seconds(service),
            platform=service.platform or "",
            shares=tuple(shared_services(service)),
            marked=marked_names(self.project, service),
            hidden=self.hidden,
            withheld=tuple(mounts.withheld),
        )

    def digests(self, mounts: Mounts) -> dict[str, str]:
        """Target → digest of each content that is part of the container's identity, sealed where it is secret."""
        read = {t: d for t, s in mounts.sources.items() if (d := self.contents.get(s)) is not None}
        for file in mounts.files:
            secret = file.path in mounts.secret_targets
            read[file.path] = (
                self.seal(file.content.decode(errors="surrogateescape")) if secret else plain_digest(file.content)
            )
        return read

    def labelled(self, desired: DesiredContainer) -> DesiredContainer:
        """With the tools' own labels: only what is created needs them, and Compose's config hash takes its time."""
        key, number = desired.address.name, desired.address.replica
        service = self.project.services[key]
        needs = (service.depends_on or {}).items()
        labels = {
            **project_labels(self.project),
            CONFIG_HASH: service_hash(self.project, key),
            SERVICE: key,
            NUMBER: str(number),
            ONEOFF: "False",
            DEPENDS_ON: ",".join(sorted(f"{name}:{d.condition}:{str(bool(d.restart)).lower()}" for name, d in needs)),
        }
        if names := self.provided.get(key):
            labels[PROVIDED] = ",".join(sorted(names))
        return desired._replace(labels=labels)

    def host_config(self, service: Service, mounts: Mounts) -> dict[str, Any]:
        body = {
            **resources(service),
            "Binds": mounts.binds,
            "Mounts": mounts.mounts,
            "Tmpfs": mounts.tmpfs,
            "NetworkMode": self.network_mode(service),
            "IpcMode": self.shared(service.ipc),
            "PidMode": self.shared(service.pid),
            "UTSMode": service.uts,
            "UsernsMode": service.userns_mode,
            "CgroupnsMode": service.cgroup,
            "CgroupParent": service.cgroup_parent,
            "Annotations": service.annotations,
            "CapAdd": service.cap_add,
            "CapDrop": service.cap_drop,
            "Init": service.init,
            "ReadonlyRootfs": service.read_only,
            "RestartPolicy": restart_policy(service),
            "ShmSize": service.shm_size,
            "Sysctls": service.sysctls,
            "PortBindings": port_bindings(service),
            "VolumeDriver": service.volume_driver,
            "VolumesFrom": self.volumes_from(service),
            "Dns": service.dns,
            "DnsSearch": service.dns_search,
            "DnsOptions": service.dns_opt,
            "ExtraHosts": extra_hosts(service),
            "SecurityOpt": [self.security_option(text) for text in service.security_opt or ()],
            "StorageOpt": service.storage_opt,
            "Privileged": service.privileged,
            "Isolation": service.isolation,
            "Runtime": service.runtime,
            "LogConfig": log_config(service),
            "GroupAdd": service.group_add,
            "OomScoreAdj": service.oom_score_adj,
        }
        return drop_unset(body)

    def network_mode(self, service: Service) -> str:
        if service.network_mode:
            return self.shared(service.network_mode) or ""
        keys = endpoints(self.project, "", service, "", [])
        return next(iter(keys), "none")

    def shared(self, mode: str | None) -> str | None:
        """`service:web` → `container:shop-web-1`: a namespace is shared with the first replica."""
        if mode and mode.startswith("service:"):
            key = mode.removeprefix("service:")
            return f"container:{self.naming.container(self.project.services[key], key, 1)}"
        return mode

    def security_option(self, text: str) -> str:
        """As written; of a seccomp profile in a file the engine wants the content."""
        path = seccomp_path(text)
        profile = self.profiles.get(path) if path else None
        return f"seccomp={profile}" if profile else text

    def volumes_from(self, service: Service) -> list[str]:
        """`web:ro` → `shop-web-1:ro`, `container:x:ro` → `x:ro`."""
        found = []
        for entry in service.volumes_from or ():
            if entry.startswith("container:"):
                found.append(entry.removeprefix("container:"))
                continue
            key, _, mode = entry.partition(":")
            name = self.naming.container(self.project.services[key], key, 1)
            found.append(f"{name}:{mode}" if mode else name)
        return found

    def links(self, service: Service) -> list[str]:
        """Each link under all the names that Compose gives it: alias, service-1, project-service-1."""
        found = []
        for link in service.links or ():
            key, _, alias = link.partition(":")
            target = self.project.services[key]
            for number in range(1, target.replicas + 1):
                name = self.naming.container(target, key, number)
                aliases = (alias or key, self.naming.separator.join((key, str(number))), self.full_name(key, number))
                found += [f"{name}:{each}" for each in dict.fromkeys(aliases)]
        for link in service.external_links or ():
            name, _, alias = link.partition(":")
            found.append(f"{name}:{alias or name}")
        return found

    def full_name(self, key: str, number: int) -> str:
        return self.naming.separator.join((self.project.name, key, str(number)))


def shared_services(service: Service) -> list[str]:
    """The services whose namespaces or volumes this one uses."""
    modes = (m for m in (service.network_mode, service.ipc, service.pid) if m and m.startswith("service:"))
    sources = (v.partition(":")[0] for v in service.volumes_from or () if not v.startswith("container:"))
    return list(dict.fromkeys([*(m.removeprefix("service:") for m in modes), *sources]))


def shared_hash(project: Project, key: str, ids: Mapping[str, str]) -> str:
    """Compose's config hash of a service that shares: taken with the ids of the containers in place of their services.

    `ids` maps a service to its first container's id. Source: docker/compose 2.40, where `up` resolves references first.
    """
    service = project.services[key].model_copy()
    for mode in ("network_mode", "ipc", "pid"):
        value = getattr(service, mode) or ""
        if value.startswith("service:"):
            setattr(service, mode, f"container:{ids[value.removeprefix('service:')]}")
    if service.volumes_from is not None:
        parts = [entry.split(":") for entry in service.volumes_from]
        service.volumes_from = [p[1] if p[0] == "container" else ids[p[0]] for p in parts]
    return service_hash(project.model_copy(update={"services": {**project.services, key: service}}), key)


def plain_digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def process(service: Service) -> dict[str, Any]:
    """What runs and how: the part of the body that an image may also say."""
    return {
        "Hostname": service.hostname,
        "Domainname": service.domainname,
        "User": service.user,
        "Tty": service.tty,
        "OpenStdin": service.stdin_open,
        "AttachStdout": True,
        "AttachStderr": True,
        "Env": [f"{k}={v}" for k, v in (service.environment or {}).items() if v is not None],
        "Cmd": service.command,
        "Entrypoint": service.entrypoint,
        "WorkingDir": service.working_dir,
        "MacAddress": service.mac_address,
        "StopSignal": service.stop_signal,
        "StopTimeout": round(seconds(service.stop_grace_period)) if service.stop_grace_period else None,
        "Healthcheck": healthcheck(service.healthcheck),
    }


def grace_seconds(service: Service, asked: float | None = None) -> float | None:
    """How long a stop may take: what the command asks for, else the spec's grace period, else None: the engine's."""
    if asked is not None:
        return asked
    return seconds(service.stop_grace_period) if service.stop_grace_period else None


def healthcheck(check: Healthcheck | None) -> dict[str, Any] | None:
    if check is None:
        return None
    if check.disable:
        return {"Test": ["NONE"]}
    durations = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
    }
    body = {key: nanoseconds(text) for key, text in durations.items() if text}
    return drop_unset({"Test": check.test, "Retries": check.retries, **body})


def hook(model: HookModel) -> Hook:
    return Hook(
        command=tuple(model.command or ()),
        user=model.user or "",
        privileged=bool(model.privileged),
        working_dir=model.working_dir or "",
        environment=tuple(f"{k}={v}" for k, v in (model.environment or {}).items() if v is not None),
    )


def exposed(service: Service) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for entry in service.expose or ():
        port, _, protocol = entry.partition("/")
        first, _, last = port.partition("-")
        for number in range(int(first), int(last or first) + 1):
            found[f"{number}/{protocol or 'tcp'}"] = {}
    for port_ in service.ports or ():
        found[f"{port_.target}/{(port_.protocol or 'tcp').lower()}"] = {}
    return found


def port_bindings(service: Service) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for port in service.ports or ():
        key = f"{port.target}/{(port.protocol or 'tcp').lower()}"
        found.setdefault(key, []).append({"HostIp": port.host_ip or "", "HostPort": port.published or ""})
    return found


def restart_policy(service: Service) -> dict[str, Any] | None:
    """`on-failure:3` → name and count; `deploy.restart_policy` has other words for the same."""
    if service.restart:
        name, _, attempts = service.restart.partition(":")
        return {"Name": name, "MaximumRetryCount": int(attempts) if attempts.isdigit() else 0}
    policy = service.deploy.restart_policy if service.deploy else None
    if policy is None:
        return None
    names = {"none": "no", "on-failure": "on-failure", "unless-stopped": "unless-stopped", "no": "no"}
    name = names.get(policy.condition or "any", "always")
    return {"Name": name, "MaximumRetryCount": policy.max_attempts or 0 if name == "on-failure" else 0}


def extra_hosts(service: Service) -> list[str]:
    """The API wants `host:ip`, the language has `host=ip`."""
    return [entry.replace("=", ":", 1) for entry in service.extra_hosts or ()]


def seccomp_path(text: str) -> str | None:
    """`seccomp:./profile.json` → `./profile.json`; None for other options and for the engine's own words."""
    name, separator, value = text.partition("=" if "=" in text else ":")
    return value if name == "seccomp" and separator and value not in {"unconfined", "builtin"} else None


def log_config(service: Service) -> dict[str, Any] | None:
    if service.logging is None:
        return None
    return {"Type": service.logging.driver or "", "Config": service.logging.options or {}}


def with_applied(desired: DesiredContainer, applied: Mapping[str, Any]) -> dict[str, str]:
    """The tools' labels with `io.rorqual.applied`: what was asked at create, as canonical JSON (HOUSE.md)."""
    return {**desired.labels, APPLIED: json.dumps(applied, sort_keys=True, separators=(",", ":"))}
