"""Limits on what a container may use: ulimits, block I/O, devices."""

from __future__ import annotations

from pydantic import Field

from specs.models.base import Extensible, Model


class Ulimit(Extensible):
    """Either `single`, or `soft` and `hard`."""

    single: int | None = None
    soft: int | None = None
    hard: int | None = None


class WeightDevice(Extensible):
    path: str = Field("", alias="Path")
    weight: int = Field(0, alias="Weight")


class ThrottleDevice(Extensible):
    """`rate` in bytes or operations a second."""

    path: str = Field("", alias="Path")
    rate: int = Field(0, alias="Rate")


class BlkioConfig(Extensible):
    weight: int | None = None
    weight_device: list[WeightDevice] | None = None
    device_read_bps: list[ThrottleDevice] | None = None
    device_read_iops: list[ThrottleDevice] | None = None
    device_write_bps: list[ThrottleDevice] | None = None
    device_write_iops: list[ThrottleDevice] | None = None


class Device(Extensible):
    source: str | None = None
    target: str | None = None
    permissions: str | None = None


class DeviceRequest(Model):
    """`count` -1 means all."""

    capabilities: list[str] | None = None
    driver: str | None = None
    count: int | None = None
    device_ids: list[str] | None = None
    options: dict[str, str] | None = None
