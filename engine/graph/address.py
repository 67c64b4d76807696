"""The name of one object of a project, as plans and graphs write it: `service.web.2`, `network.front`, `image.base`."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    IMAGE = "image"
    NETWORK = "network"
    VOLUME = "volume"
    CONFIG = "config"
    SECRET = "secret"
    SERVICE = "service"


class Address(NamedTuple):
    """One object; `replica` counts from 1 and is 0 for everything but a service's container."""

    kind: Kind
    name: str
    replica: int = 0

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}.{self.replica}" if self.replica else f"{self.kind}.{self.name}"
