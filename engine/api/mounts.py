"""The wire shapes of mounts: as asked for at create, and as found on a container. Source: Engine API v1.50, Mount."""

from __future__ import annotations

from typing import Literal, TypedDict


class BindOptions(TypedDict, total=False):
    Propagation: str
    NonRecursive: bool
    CreateMountpoint: bool
    ReadOnlyNonRecursive: bool
    ReadOnlyForceRecursive: bool


class DriverConfig(TypedDict, total=False):
    Name: str
    Options: dict[str, str]


class VolumeOptions(TypedDict, total=False):
    NoCopy: bool
    Labels: dict[str, str]
    DriverConfig: DriverConfig
    Subpath: str


class ImageOptions(TypedDict, total=False):
    Subpath: str


class TmpfsOptions(TypedDict, total=False):
    SizeBytes: int
    Mode: int
    Options: list[list[str]]


class Mount(TypedDict, total=False):
    Target: str
    Source: str
    Type: Literal["bind", "cluster", "image", "npipe", "tmpfs", "volume"]
    ReadOnly: bool
    Consistency: str
    BindOptions: BindOptions
    VolumeOptions: VolumeOptions
    ImageOptions: ImageOptions
    TmpfsOptions: TmpfsOptions


class MountPoint(TypedDict, total=False):
    Type: str
    Name: str
    Source: str
    Destination: str
    Driver: str
    Mode: str
    RW: bool
    Propagation: str
