"""Volumes, and the mounts of a service."""

from __future__ import annotations

from specs.models.base import Extensible


class Volume(Extensible):
    """`name` is the engine's name for it: `<project>_<key>` unless the file says otherwise."""

    name: str | None = None
    driver: str | None = None
    driver_opts: dict[str, str] | None = None
    external: bool | None = None
    labels: dict[str, str] | None = None


class BindOptions(Extensible):
    selinux: str | None = None
    propagation: str | None = None
    create_host_path: bool | None = None
    recursive: str | None = None


class VolumeOptions(Extensible):
    labels: dict[str, str] | None = None
    nocopy: bool | None = None
    subpath: str | None = None


class TmpfsOptions(Extensible):
    """`size` in bytes."""

    size: int | None = None
    mode: int | None = None


class ImageOptions(Extensible):
    subpath: str | None = None


class Mount(Extensible):
    """`type` is bind, volume, tmpfs, npipe, cluster or image; a bind's `source` is absolute."""

    type: str | None = None
    source: str | None = None
    target: str | None = None
    read_only: bool | None = None
    consistency: str | None = None
    bind: BindOptions | None = None
    volume: VolumeOptions | None = None
    tmpfs: TmpfsOptions | None = None
    image: ImageOptions | None = None
