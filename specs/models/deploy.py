"""`deploy`: replicas, resources, restart and update policies."""

from __future__ import annotations

from pydantic import Field

from specs.models.base import Extensible
from specs.models.limits import DeviceRequest


class UpdateConfig(Extensible):
    parallelism: int | None = None
    delay: str | None = None
    failure_action: str | None = None
    monitor: str | None = None
    max_failure_ratio: float | None = None
    order: str | None = None


class DiscreteResource(Extensible):
    kind: str = ""
    value: int = 0


class GenericResource(Extensible):
    discrete_resource_spec: DiscreteResource | None = None


class ResourceSet(Extensible):
    """`cpus` in cores, `memory` in bytes."""

    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None
    devices: list[DeviceRequest] | None = None
    generic_resources: list[GenericResource] | None = None


class Resources(Extensible):
    limits: ResourceSet | None = None
    reservations: ResourceSet | None = None


class RestartPolicy(Extensible):
    condition: str | None = None
    delay: str | None = None
    max_attempts: int | None = None
    window: str | None = None


class PlacementPreference(Extensible):
    spread: str | None = None


class Placement(Extensible):
    constraints: list[str] | None = None
    preferences: list[PlacementPreference] | None = None
    max_replicas_per_node: int | None = None


class Deploy(Extensible):
    mode: str | None = None
    replicas: int | None = None
    labels: dict[str, str] | None = None
    update_config: UpdateConfig | None = None
    rollback_config: UpdateConfig | None = None
    resources: Resources = Field(default_factory=Resources)
    restart_policy: RestartPolicy | None = None
    placement: Placement = Field(default_factory=Placement)
    endpoint_mode: str | None = None
