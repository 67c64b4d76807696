"""A plan as values: steps, each one effect with its reason; the closed union of what an effect can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from engine.graph.address import Address
from engine.plan.desired import DesiredContainer, DesiredNetwork, DesiredVolume, Hook
from engine.plan.observed import EngineIdentity
from specs.source import Diagnostic


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs, named as the spec names it; a value that is unset is None."""

    path: str
    old: Any
    new: Any
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class PullImage:
    reference: str
    platform: str = ""


@dataclass(frozen=True, slots=True)
class BuildImage:
    """`name` is an entry of `images:`, or with `service` a service with a `build:` of its own."""

    name: str
    reference: str
    service: bool = False


@dataclass(frozen=True, slots=True)
class PushImage:
    reference: str


@dataclass(frozen=True, slots=True)
class RemoveImage:
    reference: str


@dataclass(frozen=True, slots=True)
class CreateNetwork:
    desired: DesiredNetwork


@dataclass(frozen=True, slots=True)
class ReplaceNetwork:
    """Disconnect what is attached, remove, create again; containers are replaced by steps of their own."""

    id: str
    desired: DesiredNetwork


@dataclass(frozen=True, slots=True)
class RemoveNetwork:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CreateVolume:
    desired: DesiredVolume


@dataclass(frozen=True, slots=True)
class ReplaceVolume:
    """Remove with its data, create again: never without the user's consent (CLI.md, "Asking")."""

    desired: DesiredVolume


@dataclass(frozen=True, slots=True)
class RemoveVolume:
    name: str


@dataclass(frozen=True, slots=True)
class CreateContainer:
    desired: DesiredContainer
    start: bool = True


@dataclass(frozen=True, slots=True)
class ReplaceContainer:
    """Create beside the old one, stop and remove the old one, take its name, start."""

    id: str
    desired: DesiredContainer
    start: bool = True
    stop_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class UpdateContainer:
    """Change in place what the engine can change: resources and restart policy (`POST /containers/{id}/update`)."""

    id: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RenameContainer:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ConnectNetwork:
    id: str
    network: str
    endpoint: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DisconnectNetwork:
    id: str
    network: str


@dataclass(frozen=True, slots=True)
class StartContainer:
    id: str


@dataclass(frozen=True, slots=True)
class RestartContainer:
    id: str
    stop_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StopContainer:
    id: str
    stop_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class KillContainer:
    id: str
    signal: str = "SIGKILL"


@dataclass(frozen=True, slots=True)
class PauseContainer:
    id: str


@dataclass(frozen=True, slots=True)
class UnpauseContainer:
    id: str


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Stop where it runs, and remove; `volumes` also takes its anonymous volumes."""

    id: str
    stop_seconds: float | None = None
    volumes: bool = False


@dataclass(frozen=True, slots=True)
class RunHook:
    """`container` is an id, or a name where the container doesn't exist yet when the plan is made."""

    container: str
    hook: Hook


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait until a container is `started`, `healthy` or has `completed`; `required` False lets a failure pass."""

    container: str
    condition: str
    required: bool = True
    timeout_seconds: float | None = None


Action: TypeAlias = (
    PullImage
    | BuildImage
    | PushImage
    | RemoveImage
    | CreateNetwork
    | ReplaceNetwork
    | RemoveNetwork
    | CreateVolume
    | ReplaceVolume
    | RemoveVolume
    | CreateContainer
    | ReplaceContainer
    | UpdateContainer
    | RenameContainer
    | ConnectNetwork
    | DisconnectNetwork
    | StartContainer
    | RestartContainer
    | StopContainer
    | KillContainer
    | PauseContainer
    | UnpauseContainer
    | RemoveContainer
    | RunHook
    | WaitFor
)

# The word of the JSON plan for each kind of action (CLI.md, plan marks).
WORDS: dict[type, str] = {
    PullImage: "pull",
    BuildImage: "build",
    PushImage: "push",
    RemoveImage: "destroy",
    CreateNetwork: "create",
    ReplaceNetwork: "replace",
    RemoveNetwork: "destroy",
    CreateVolume: "create",
    ReplaceVolume: "replace",
    RemoveVolume: "destroy",
    CreateContainer: "create",
    ReplaceContainer: "replace",
    UpdateContainer: "update",
    RenameContainer: "update",
    ConnectNetwork: "update",
    DisconnectNetwork: "update",
    StartContainer: "run",
    RestartContainer: "run",
    StopContainer: "update",
    KillContainer: "update",
    PauseContainer: "update",
    UnpauseContainer: "update",
    RemoveContainer: "destroy",
    RunHook: "run",
    WaitFor: "wait",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One effect on one object; `needs` are the ids of steps that must have succeeded before it starts."""

    id: int
    address: Address
    action: Action
    because: str
    fields: tuple[FieldChange, ...] = ()
    needs: frozenset[int] = frozenset()

    @property
    def word(self) -> str:
        return WORDS[type(self.action)]


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order in which each comes after what it needs."""

    project: str
    engine: EngineIdentity
    steps: tuple[Step, ...] = ()
    warnings: tuple[Diagnostic, ...] = field(default=())

    @property
    def empty(self) -> bool:
        return not self.steps

    @property
    def summary(self) -> dict[str, int]:
        return dict(Counter(step.word for step in self.steps))
