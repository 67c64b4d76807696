"""The wire shapes of the engine itself and of its events.

Source: Engine API v1.50, /version, /info, /events, /system/df.
"""

from __future__ import annotations

from typing import Any, TypedDict

from engine.api.containers import ContainerSummary
from engine.api.images import ImageSummary
from engine.api.volumes import VolumeInspect


class Component(TypedDict, total=False):
    Name: str
    Version: str
    Details: dict[str, str] | None


class Version(TypedDict, total=False):
    Platform: dict[str, str]
    Components: list[Component]
    Version: str
    ApiVersion: str
    MinAPIVersion: str
    GitCommit: str
    GoVersion: str
    Os: str
    Arch: str
    KernelVersion: str
    Experimental: bool
    BuildTime: str


class SwarmInfo(TypedDict, total=False):
    NodeID: str
    LocalNodeState: str
    ControlAvailable: bool


class Info(TypedDict, total=False):
    ID: str
    Containers: int
    ContainersRunning: int
    ContainersPaused: int
    ContainersStopped: int
    Images: int
    Driver: str
    Name: str
    ServerVersion: str
    OperatingSystem: str
    OSType: str
    Architecture: str
    NCPU: int
    MemTotal: int
    DockerRootDir: str
    CgroupDriver: str
    CgroupVersion: str
    DefaultRuntime: str
    Runtimes: dict[str, Any]
    Swarm: SwarmInfo
    Plugins: dict[str, Any]
    SecurityOptions: list[str] | None
    Warnings: list[str] | None
    MemoryLimit: bool
    SwapLimit: bool
    CpuCfsPeriod: bool
    CpuCfsQuota: bool
    CPUShares: bool
    CPUSet: bool
    PidsLimit: bool
    OomKillDisable: bool
    Isolation: str
    Labels: list[str] | None
    RegistryConfig: dict[str, Any]


class EventActor(TypedDict, total=False):
    ID: str
    Attributes: dict[str, str] | None


class Event(TypedDict, total=False):
    """Old fields (status, id, from) and new ones side by side; timeNano is nanoseconds since the epoch."""

    Type: str
    Action: str
    Actor: EventActor
    scope: str
    time: int
    timeNano: int
    status: str
    id: str


class DiskUsage(TypedDict, total=False):
    LayersSize: int
    Images: list[ImageSummary] | None
    Containers: list[ContainerSummary] | None
    Volumes: list[VolumeInspect] | None
    BuildCache: list[dict[str, Any]] | None


class AuthAnswer(TypedDict, total=False):
    Status: str
    IdentityToken: str


class Ping(TypedDict):
    """The headers of /_ping. `builder` is "1" (classic), "2" (BuildKit) or "" (unsaid)."""

    api_version: str
    os: str
    experimental: bool
    builder: str
    server: str


class CheckFinding(TypedDict, total=False):
    """`Kind` and `What` name the thing. `Remedy` is what mending does; where not `Mendable`, what a person must do."""

    Kind: str
    What: str
    Fault: str
    Remedy: str
    Mendable: bool
    # why its mending failed
    Error: str


class CheckAnswer(TypedDict):
    """Rorqual's own: /rorqual/check. `Findings` are what is wrong now, `Mended` what no longer is."""

    Findings: list[CheckFinding]
    Mended: list[CheckFinding]
