"""What the project asks of the engine, object by object: bodies of the Engine API, ready to be sent or compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.graph.address import Address

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InjectedFile:
    """A config or secret with its content in the spec: copied into the container before it starts."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class Hook:
    """A command run in (or around) a container at one point of its life: Compose's post_start and pre_stop."""

    command: tuple[str, ...]
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DesiredContainer:
    """One replica: the body of `POST /containers/create` with all its networks in NetworkingConfig.

    What the body doesn't say is left to the image or to the engine. `labels` are the tools' own (Compose's and ours),
    kept apart from the user's in `body["Labels"]`, since they are no reason to replace a container. `shares` names the
    services whose namespaces or volumes it uses: Compose hashes those containers' ids.
    """

    address: Address
    name: str
    image: str
    body: JsonObject
    labels: Mapping[str, str] = field(default_factory=dict)
    files: tuple[InjectedFile, ...] = ()
    contents: Mapping[str, str] = field(default_factory=dict)
    sensitive: frozenset[str] = frozenset()
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    stop_seconds: float | None = None
    platform: str = ""
    shares: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DesiredNetwork:
    """`body` is that of `POST /networks/create`, without the tools' labels; an external one has only a name."""

    address: Address
    name: str
    external: bool
    body: JsonObject = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DesiredVolume:
    """`body` is that of `POST /volumes/create`, without the tools' labels; an external one has only a name."""

    address: Address
    name: str
    external: bool
    body: JsonObject = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
