"""What stands on the engine, as the planner takes it: read once by reconcile.observe, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from engine.api.capabilities import Capabilities
from engine.plan.desired import NOTHING


class Ending(StrEnum):
    """How a container that exited with 0 came to its end, as far as the engine remembers."""

    ITSELF = "itself"
    TOLD = "told"  # a signal went to it through the engine: docker stop, rorqual stop
    BEFORE = "before"  # in an earlier life of the engine, whose end may have been its end


class LiveContainer(NamedTuple):
    """One container of the project: the answer of its inspect, with the names that plans use at hand."""

    id: str
    name: str
    service: str
    number: int
    oneoff: bool
    state: str
    inspect: Mapping[str, Any]

    @property
    def running(self) -> bool:
        return self.state in {"running", "paused", "restarting"}

    @property
    def exit_code(self) -> int:
        return int(self.inspect["State"].get("ExitCode", 0))

    @property
    def health(self) -> str | None:
        """starting, healthy or unhealthy; None where the container has no check."""
        status = (self.inspect["State"].get("Health") or {}).get("Status")
        return status if status not in {"", "none"} else None

    @property
    def labels(self) -> Mapping[str, str]:
        return self.inspect["Config"].get("Labels") or {}


class EngineIdentity(NamedTuple):
    """Which engine this is: its id, the address that reached it, the API version agreed on."""

    id: str
    host: str
    api_version: str


class Observed(NamedTuple):
    """`images` maps a reference or id to its inspect, or to None where the engine doesn't have it.

    `networks` and `volumes` hold the project's own and those that it names, by their names on the engine; `endings`
    tells of containers that exited with 0, by id, how that came about.
    """

    engine: EngineIdentity
    capabilities: Capabilities
    containers: tuple[LiveContainer, ...] = ()
    networks: Mapping[str, Mapping[str, Any]] = NOTHING
    volumes: Mapping[str, Mapping[str, Any]] = NOTHING
    images: Mapping[str, Mapping[str, Any] | None] = NOTHING
    endings: Mapping[str, Ending] = NOTHING

    def name_of(self, container: str) -> str:
        """The name of the project's container with this id; other ids and names stay as they are."""
        return next((c.name for c in self.containers if c.id == container), container)
