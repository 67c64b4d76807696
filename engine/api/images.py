"""The wire shapes of images, builds and their progress. Source: Engine API v1.50, /images, /build, /commit."""

from __future__ import annotations

from typing import Any, TypedDict

from engine.api.container_config import ContainerConfig


class RootFS(TypedDict, total=False):
    Type: str
    Layers: list[str]


class ImageInspect(TypedDict, total=False):
    Id: str
    RepoTags: list[str] | None
    RepoDigests: list[str] | None
    Parent: str
    Comment: str
    Created: str
    DockerVersion: str
    Author: str
    Config: ContainerConfig | None
    Architecture: str
    Variant: str
    Os: str
    OsVersion: str
    Size: int
    VirtualSize: int
    GraphDriver: dict[str, Any]
    RootFS: RootFS
    Metadata: dict[str, Any]


class ImageSummary(TypedDict, total=False):
    """One entry of GET /images/json; Created is in seconds since the epoch."""

    Id: str
    ParentId: str
    RepoTags: list[str] | None
    RepoDigests: list[str] | None
    Created: int
    Size: int
    SharedSize: int
    VirtualSize: int
    Labels: dict[str, str] | None
    Containers: int


class ImageLayer(TypedDict, total=False):
    """One entry of GET /images/{name}/history."""

    Id: str
    Created: int
    CreatedBy: str
    Tags: list[str] | None
    Size: int
    Comment: str


class ImageRemoved(TypedDict, total=False):
    Untagged: str
    Deleted: str


class ImagesPruned(TypedDict, total=False):
    ImagesDeleted: list[ImageRemoved] | None
    SpaceReclaimed: int


class ImageFound(TypedDict, total=False):
    """One entry of GET /images/search."""

    name: str
    description: str
    is_official: bool
    is_automated: bool
    star_count: int


class DistributionInspect(TypedDict, total=False):
    Descriptor: dict[str, Any]
    Platforms: list[dict[str, Any]]


class ProgressDetail(TypedDict, total=False):
    current: int
    total: int
    start: int
    hidecounts: bool
    units: str


class ErrorDetail(TypedDict, total=False):
    code: int
    message: str


class Progress(TypedDict, total=False):
    """One line of the answer to a pull, push, load, import or build."""

    id: str
    status: str
    progress: str
    progressDetail: ProgressDetail
    stream: str
    error: str
    errorDetail: ErrorDetail
    aux: dict[str, Any]


class BuildOptions(TypedDict, total=False):
    """How POST /build runs. Names as in the API's query; the values as Python has them."""

    dockerfile: str
    t: list[str]
    extrahosts: list[str]
    remote: str
    q: bool
    nocache: bool
    cachefrom: list[str]
    cacheimport: list[str]
    cacheexport: list[str]
    pull: bool
    rm: bool
    forcerm: bool
    memory: int
    memswap: int
    cpushares: int
    cpusetcpus: str
    cpuperiod: int
    cpuquota: int
    buildargs: dict[str, str | None]
    shmsize: int
    squash: bool
    labels: dict[str, str]
    networkmode: str
    platform: str
    target: str
    outputs: str
    ulimits: list[dict[str, Any]]
    isolation: str
    securityopt: list[str]


class BuildCachePruned(TypedDict, total=False):
    CachesDeleted: list[str] | None
    SpaceReclaimed: int
