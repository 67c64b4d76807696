"""The wire shapes of volumes. Source: Engine API v1.50, /volumes."""

from __future__ import annotations

from typing import Any, TypedDict


class VolumeCreate(TypedDict, total=False):
    Name: str
    Driver: str
    DriverOpts: dict[str, str] | None
    Labels: dict[str, str] | None


class VolumeUsage(TypedDict, total=False):
    """Both are -1 when not counted."""

    Size: int
    RefCount: int


class VolumeInspect(TypedDict, total=False):
    Name: str
    Driver: str
    Mountpoint: str
    CreatedAt: str
    Status: dict[str, Any]
    Labels: dict[str, str] | None
    Scope: str
    Options: dict[str, str] | None
    UsageData: VolumeUsage | None


class VolumesPruned(TypedDict, total=False):
    VolumesDeleted: list[str] | None
    SpaceReclaimed: int
