"""The wire shapes of a container's configuration: what runs (ContainerConfig), how it sits on the host (HostConfig).

Every key may be missing: engines and versions differ. Source: Engine API v1.50, ContainerConfig, HostConfig, Resources.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from engine.api.mounts import Mount


class HealthConfig(TypedDict, total=False):
    """Durations in nanoseconds; Test is [] (inherit), ["NONE"], ["CMD", …] or ["CMD-SHELL", text]."""

    Test: list[str]
    Interval: int
    Timeout: int
    Retries: int
    StartPeriod: int
    StartInterval: int


class ContainerConfig(TypedDict, total=False):
    Hostname: str
    Domainname: str
    User: str
    AttachStdin: bool
    AttachStdout: bool
    AttachStderr: bool
    ExposedPorts: dict[str, dict[str, Any]] | None
    Tty: bool
    OpenStdin: bool
    StdinOnce: bool
    Env: list[str] | None
    Cmd: list[str] | None
    Healthcheck: HealthConfig
    ArgsEscaped: bool
    Image: str
    Volumes: dict[str, dict[str, Any]] | None
    WorkingDir: str
    Entrypoint: list[str] | None
    NetworkDisabled: bool
    MacAddress: str
    OnBuild: list[str] | None
    Labels: dict[str, str] | None
    StopSignal: str
    StopTimeout: int
    Shell: list[str]


class PortBinding(TypedDict, total=False):
    HostIp: str
    HostPort: str


class RestartPolicy(TypedDict, total=False):
    Name: Literal["", "no", "always", "unless-stopped", "on-failure"]
    MaximumRetryCount: int


class LogConfig(TypedDict, total=False):
    Type: str
    Config: dict[str, str] | None


class Ulimit(TypedDict, total=False):
    Name: str
    Soft: int
    Hard: int


class DeviceMapping(TypedDict, total=False):
    PathOnHost: str
    PathInContainer: str
    CgroupPermissions: str


class DeviceRequest(TypedDict, total=False):
    Driver: str
    Count: int
    DeviceIDs: list[str] | None
    Capabilities: list[list[str]] | None
    Options: dict[str, str] | None


class WeightDevice(TypedDict, total=False):
    Path: str
    Weight: int


class ThrottleDevice(TypedDict, total=False):
    Path: str
    Rate: int


class Resources(TypedDict, total=False):
    """What a container may use; also the body of an update. Sizes in bytes, CPU times in microseconds."""

    CpuShares: int
    Memory: int
    CgroupParent: str
    BlkioWeight: int
    BlkioWeightDevice: list[WeightDevice] | None
    BlkioDeviceReadBps: list[ThrottleDevice] | None
    BlkioDeviceWriteBps: list[ThrottleDevice] | None
    BlkioDeviceReadIOps: list[ThrottleDevice] | None
    BlkioDeviceWriteIOps: list[ThrottleDevice] | None
    CpuPeriod: int
    CpuQuota: int
    CpuRealtimePeriod: int
    CpuRealtimeRuntime: int
    CpusetCpus: str
    CpusetMems: str
    Devices: list[DeviceMapping] | None
    DeviceCgroupRules: list[str] | None
    DeviceRequests: list[DeviceRequest] | None
    KernelMemoryTCP: int
    MemoryReservation: int
    MemorySwap: int
    MemorySwappiness: int | None
    NanoCpus: int
    OomKillDisable: bool | None
    Init: bool | None
    PidsLimit: int | None
    Ulimits: list[Ulimit] | None


class HostConfig(Resources, total=False):
    Binds: list[str] | None
    ContainerIDFile: str
    LogConfig: LogConfig
    NetworkMode: str
    PortBindings: dict[str, list[PortBinding] | None] | None
    RestartPolicy: RestartPolicy
    AutoRemove: bool
    VolumeDriver: str
    VolumesFrom: list[str] | None
    Mounts: list[Mount]
    ConsoleSize: list[int]
    Annotations: dict[str, str]
    CapAdd: list[str] | None
    CapDrop: list[str] | None
    CgroupnsMode: Literal["", "private", "host"]
    Dns: list[str] | None
    DnsOptions: list[str] | None
    DnsSearch: list[str] | None
    ExtraHosts: list[str] | None
    GroupAdd: list[str] | None
    IpcMode: str
    Cgroup: str
    Links: list[str] | None
    OomScoreAdj: int
    PidMode: str
    Privileged: bool
    PublishAllPorts: bool
    ReadonlyRootfs: bool
    SecurityOpt: list[str] | None
    StorageOpt: dict[str, str]
    Tmpfs: dict[str, str]
    UTSMode: str
    UsernsMode: str
    ShmSize: int
    Sysctls: dict[str, str]
    Runtime: str
    Isolation: str
    MaskedPaths: list[str] | None
    ReadonlyPaths: list[str] | None
