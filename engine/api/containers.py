"""The wire shapes of containers and execs, with the API's own keys.

Every key may be missing: engines and versions differ. Source: Engine API v1.50, /containers and /exec.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from engine.api.container_config import ContainerConfig, HostConfig, PortBinding, Resources, RestartPolicy
from engine.api.mounts import MountPoint
from engine.api.networks import EndpointSettings, NetworkingConfig

WaitCondition = Literal["not-running", "next-exit", "removed"]


class ContainerCreate(ContainerConfig, total=False):
    """The body of POST /containers/create."""

    HostConfig: HostConfig
    NetworkingConfig: NetworkingConfig


class ContainerCreated(TypedDict):
    Id: str
    Warnings: list[str] | None


class ContainerUpdate(Resources, total=False):
    """The body of POST /containers/{id}/update."""

    RestartPolicy: RestartPolicy


class HealthLog(TypedDict, total=False):
    Start: str
    End: str
    ExitCode: int
    Output: str


class Health(TypedDict, total=False):
    Status: Literal["none", "starting", "healthy", "unhealthy"]
    FailingStreak: int
    Log: list[HealthLog] | None


class ContainerState(TypedDict, total=False):
    """Times are RFC 3339; unset is 0001-01-01T00:00:00Z."""

    Status: Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
    Running: bool
    Paused: bool
    Restarting: bool
    OOMKilled: bool
    Dead: bool
    Pid: int
    ExitCode: int
    Error: str
    StartedAt: str
    FinishedAt: str
    Health: Health | None


class NetworkSettings(TypedDict, total=False):
    Bridge: str
    SandboxID: str
    Ports: dict[str, list[PortBinding] | None] | None
    SandboxKey: str
    Gateway: str
    IPAddress: str
    MacAddress: str
    Networks: dict[str, EndpointSettings] | None


class ContainerInspect(TypedDict, total=False):
    Id: str
    Created: str
    Path: str
    Args: list[str]
    State: ContainerState
    Image: str
    ResolvConfPath: str
    HostnamePath: str
    HostsPath: str
    LogPath: str
    Name: str
    RestartCount: int
    Driver: str
    Platform: str
    MountLabel: str
    ProcessLabel: str
    AppArmorProfile: str
    ExecIDs: list[str] | None
    HostConfig: HostConfig
    GraphDriver: dict[str, Any]
    SizeRw: int
    SizeRootFs: int
    Mounts: list[MountPoint]
    Config: ContainerConfig
    NetworkSettings: NetworkSettings
    ImageManifestDescriptor: dict[str, Any]


class Port(TypedDict, total=False):
    IP: str
    PrivatePort: int
    PublicPort: int
    Type: str


class SummaryNetworks(TypedDict, total=False):
    Networks: dict[str, EndpointSettings] | None


class ContainerSummary(TypedDict, total=False):
    """One entry of GET /containers/json; Created is in seconds since the epoch."""

    Id: str
    Names: list[str]
    Image: str
    ImageID: str
    Command: str
    Created: int
    Ports: list[Port] | None
    SizeRw: int
    SizeRootFs: int
    Labels: dict[str, str] | None
    State: str
    Status: str
    HostConfig: dict[str, Any]
    NetworkSettings: SummaryNetworks
    Mounts: list[MountPoint]


class WaitError(TypedDict, total=False):
    Message: str


class WaitResult(TypedDict, total=False):
    StatusCode: int
    Error: WaitError | None


class Top(TypedDict, total=False):
    Titles: list[str]
    Processes: list[list[str]]


class FilesystemChange(TypedDict):
    """Kind: 0 modified, 1 added, 2 deleted."""

    Path: str
    Kind: int


class PathStat(TypedDict, total=False):
    """X-Docker-Container-Path-Stat; `mode` has Go's bits (a directory has 1 << 31)."""

    name: str
    size: int
    mode: int
    mtime: str
    linkTarget: str


class ContainersPruned(TypedDict, total=False):
    ContainersDeleted: list[str] | None
    SpaceReclaimed: int


class ExecCreate(TypedDict, total=False):
    AttachStdin: bool
    AttachStdout: bool
    AttachStderr: bool
    ConsoleSize: list[int]
    DetachKeys: str
    Tty: bool
    Env: list[str]
    Cmd: list[str]
    Privileged: bool
    User: str
    WorkingDir: str


class ExecInspect(TypedDict, total=False):
    """ExitCode is null while the process runs."""

    ID: str
    Running: bool
    ExitCode: int | None
    ProcessConfig: dict[str, Any]
    OpenStdin: bool
    OpenStderr: bool
    OpenStdout: bool
    CanRemove: bool
    ContainerID: str
    DetachKeys: str
    Pid: int
