"""What the project asks of the engine, object by object: bodies of the Engine API, ready to be sent or compared."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from engine.graph.address import Address

JsonObject = Mapping[str, Any]
# The values of plans are named tuples: with a tenth of a dataclass's cost at import, `up` starts 20 ms sooner.
NOTHING: Mapping[str, Any] = MappingProxyType({})


class InjectedFile(NamedTuple):
    """A config or secret with its content in the spec: copied into the container before it starts."""

    path: str
    content: bytes
    mode: int = 0o444
    uid: int = 0
    gid: int = 0

    def __repr__(self) -> str:
        return f"InjectedFile({self.path!r}, {len(self.content)} bytes)"


class Withheld(NamedTuple):
    """A config or secret whose content this run can't have: where the spec says so, and why."""

    path: tuple[str, ...]
    why: str
    hint: str


class Hook(NamedTuple):
    """A command run in (or around) a container at one point of its life: Compose's post_start and pre_stop."""

    command: tuple[str, ...]
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: tuple[str, ...] = ()


class DesiredContainer(NamedTuple):
    """One replica: the body of `POST /containers/create` with all its networks in NetworkingConfig.

    What the body doesn't say is left to the image or to the engine. `labels` are the tools' own (Compose's and ours),
    kept apart from the user's in `body["Labels"]`, since they are no reason to replace a container. `shares` names the
    services whose namespaces or volumes it uses: Compose hashes those containers' ids. `sensitive` holds the targets of
    secrets, `marked` the variables that the spec marks, `hidden` values that no other field may give away. What is
    `withheld` is in no `contents`: a container that has it stays as it is, and none can be made.
    """

    address: Address
    name: str
    image: str
    body: JsonObject
    labels: Mapping[str, str] = NOTHING
    files: tuple[InjectedFile, ...] = ()
    contents: Mapping[str, str] = NOTHING
    sensitive: frozenset[str] = frozenset()
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    stop_seconds: float | None = None
    platform: str = ""
    shares: tuple[str, ...] = ()
    marked: frozenset[str] = frozenset()
    hidden: tuple[str, ...] = ()
    withheld: tuple[Withheld, ...] = ()


class DesiredNetwork(NamedTuple):
    """`body` is that of `POST /networks/create`, without the tools' labels; an external one has only a name."""

    address: Address
    name: str
    external: bool
    body: JsonObject = NOTHING
    labels: Mapping[str, str] = NOTHING


class DesiredVolume(NamedTuple):
    """`body` is that of `POST /volumes/create`, without the tools' labels; an external one has only a name."""

    address: Address
    name: str
    external: bool
    body: JsonObject = NOTHING
    labels: Mapping[str, str] = NOTHING
