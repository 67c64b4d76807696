"""A service in canonical form: every short form expanded, every default set, every path absolute."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from specs.models.base import Extensible, Model
from specs.models.build import Build
from specs.models.deploy import Deploy
from specs.models.files import FileReference
from specs.models.health import Healthcheck, Hook
from specs.models.limits import BlkioConfig, Device, DeviceRequest, Ulimit
from specs.models.network import NetworkAttachment
from specs.models.volume import Mount


class Port(Extensible):
    """One port, or one container port with a range of host ports (`published: "8000-9000"`)."""

    name: str | None = None
    mode: str | None = None
    host_ip: str | None = None
    target: int | None = None
    published: str | None = None
    protocol: str | None = None
    app_protocol: str | None = None


class Dependency(Extensible):
    condition: str = "service_started"
    restart: bool | None = None
    required: bool = True


class Logging(Extensible):
    driver: str | None = None
    options: dict[str, str] | None = None


class CredentialSpec(Extensible):
    config: str | None = None
    file: str | None = None
    registry: str | None = None


class Provider(Extensible):
    type: str | None = None
    options: dict[str, list[str]] | None = None


class EnvFile(Model):
    path: str | None = None
    required: bool = True
    format: str | None = None


class WatchRule(Extensible):
    path: str = ""
    action: str = ""
    target: str | None = None
    exec_: Hook = Field(default_factory=Hook, alias="exec")
    include: list[str] | None = None
    ignore: list[str] | None = None
    initial_sync: bool | None = None


class Develop(Extensible):
    watch: list[WatchRule] | None = None


class ModelAttachment(Extensible):
    endpoint_var: str | None = None
    model_var: str | None = None


class Extends(Model):
    file: str | None = None
    service: str | None = None


class Service(Extensible):
    """`environment` has env files folded in; a null value there means: take it from the engine's client, unset here."""

    profiles: list[str] | None = None
    annotations: dict[str, str] | None = None
    attach: bool | None = None
    build: Build | None = None
    develop: Develop | None = None
    blkio_config: BlkioConfig | None = None
    cap_add: list[str] | None = None
    cap_drop: list[str] | None = None
    cgroup_parent: str | None = None
    cgroup: str | None = None
    cpu_count: int | None = None
    cpu_percent: float | None = None
    cpu_period: int | None = None
    cpu_quota: int | None = None
    cpu_rt_period: int | None = None
    cpu_rt_runtime: int | None = None
    cpus: float | None = None
    cpuset: str | None = None
    cpu_shares: int | None = None
    command: list[str] | None = None
    configs: list[FileReference] | None = None
    container_name: str | None = None
    credential_spec: CredentialSpec | None = None
    depends_on: dict[str, Dependency] | None = None
    deploy: Deploy | None = None
    device_cgroup_rules: list[str] | None = None
    devices: list[Device] | None = None
    dns: list[str] | None = None
    dns_opt: list[str] | None = None
    dns_search: list[str] | None = None
    dockerfile: str | None = None
    domainname: str | None = None
    entrypoint: list[str] | None = None
    provider: Provider | None = None
    environment: dict[str, str | None] | None = None
    env_file: list[EnvFile] | None = None
    expose: list[str] | None = None
    extends: Extends | None = None
    external_links: list[str] | None = None
    extra_hosts: list[str] | None = None
    group_add: list[str] | None = None
    gpus: list[DeviceRequest] | None = None
    hostname: str | None = None
    healthcheck: Healthcheck | None = None
    image: str | None = None
    init: bool | None = None
    ipc: str | None = None
    isolation: str | None = None
    labels: dict[str, str] | None = None
    label_file: list[str] | None = None
    links: list[str] | None = None
    logging: Logging | None = None
    log_driver: str | None = None
    log_opt: dict[str, str] | None = None
    mem_limit: int | None = None
    mem_reservation: int | None = None
    memswap_limit: int | None = None
    mem_swappiness: int | None = None
    mac_address: str | None = None
    models: dict[str, ModelAttachment | None] | None = None
    net: str | None = None
    network_mode: str | None = None
    networks: dict[str, NetworkAttachment | None] | None = None
    oom_kill_disable: bool | None = None
    oom_score_adj: int | None = None
    pid: str | None = None
    pids_limit: int | None = None
    platform: str | None = None
    ports: list[Port] | None = None
    privileged: bool | None = None
    pull_policy: str | None = None
    read_only: bool | None = None
    restart: str | None = None
    runtime: str | None = None
    scale: int | None = None
    secrets: list[FileReference] | None = None
    security_opt: list[str] | None = None
    shm_size: int | None = None
    stdin_open: bool | None = None
    stop_grace_period: str | None = None
    stop_signal: str | None = None
    storage_opt: dict[str, str] | None = None
    sysctls: dict[str, str] | None = None
    tmpfs: list[str] | None = None
    tty: bool | None = None
    ulimits: dict[str, Ulimit] | None = None
    use_api_socket: bool | None = None
    user: str | None = None
    userns_mode: str | None = None
    uts: str | None = None
    volume_driver: str | None = None
    volumes: list[Mount] | None = None
    volumes_from: list[str] | None = None
    working_dir: str | None = None
    post_start: list[Hook] | None = None
    pre_stop: list[Hook] | None = None

    @property
    def x_rorqual(self) -> dict[str, Any]:
        """Our options for this service (LANGUAGE.md, "What is ours")."""
        found = self.extensions.get("x-rorqual")
        return found if isinstance(found, dict) else {}

    @property
    def replicas(self) -> int:
        """How many containers the file asks for: `scale`, else `deploy.replicas`, else one; none of a provider's."""
        if self.provider is not None:
            return 0
        if self.scale is not None:
            return self.scale
        if self.deploy is not None and self.deploy.replicas is not None:
            return self.deploy.replicas
        return 1
