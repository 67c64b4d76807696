"""A plan as values: steps, each one effect with its reason; the closed union of what an effect can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from engine.graph.address import Address
from engine.plan.desired import DesiredContainer, DesiredNetwork, DesiredVolume, Hook
from engine.plan.observed import EngineIdentity
from specs.source import Diagnostic


class FieldChange(NamedTuple):
    """One field that differs, named as the spec names it; a value that is unset is None."""

    path: str
    old: Any
    new: Any
    sensitive: bool = False


class PullImage(NamedTuple):
    """`key`: the file of the public key with which it must be signed."""

    reference: str
    platform: str = ""
    key: str = ""


class BuildImage(NamedTuple):
    """`name` is an entry of `images:`, or with `service` a service with a `build:` of its own."""

    name: str
    reference: str
    service: bool = False


class PushImage(NamedTuple):
    """`key` as a pull has it: what was pushed must bear the signature before somebody runs it."""

    reference: str
    key: str = ""


class RemoveImage(NamedTuple):
    reference: str


class CreateNetwork(NamedTuple):
    desired: DesiredNetwork


class ReplaceNetwork(NamedTuple):
    """Disconnect what is attached, remove, create again; containers are replaced by steps of their own."""

    id: str
    desired: DesiredNetwork


class RemoveNetwork(NamedTuple):
    id: str
    name: str


class CreateVolume(NamedTuple):
    desired: DesiredVolume


class ReplaceVolume(NamedTuple):
    """Remove with its data, create again: never without the user's consent (CLI.md, "Asking")."""

    desired: DesiredVolume


class RemoveVolume(NamedTuple):
    name: str


class CreateContainer(NamedTuple):
    desired: DesiredContainer
    start: bool = True


class ReplaceContainer(NamedTuple):
    """Create beside the old one, stop and remove the old one, take its name, start."""

    id: str
    desired: DesiredContainer
    start: bool = True
    stop_seconds: float | None = None


class UpdateContainer(NamedTuple):
    """Change in place what the engine can change: resources and restart policy (`POST /containers/{id}/update`)."""

    id: str
    body: Mapping[str, Any]


class RenameContainer(NamedTuple):
    id: str
    name: str


class ConnectNetwork(NamedTuple):
    id: str
    network: str
    endpoint: Mapping[str, Any]


class DisconnectNetwork(NamedTuple):
    id: str
    network: str


class StartContainer(NamedTuple):
    id: str


class RestartContainer(NamedTuple):
    id: str
    stop_seconds: float | None = None


class StopContainer(NamedTuple):
    id: str
    stop_seconds: float | None = None


class KillContainer(NamedTuple):
    id: str
    signal: str = "SIGKILL"


class PauseContainer(NamedTuple):
    id: str


class UnpauseContainer(NamedTuple):
    id: str


class RemoveContainer(NamedTuple):
    """Stop where it runs, and remove; `volumes` also takes its anonymous volumes."""

    id: str
    stop_seconds: float | None = None
    volumes: bool = False


class RunHook(NamedTuple):
    """`container` is an id, or a name where the container doesn't exist yet when the plan is made."""

    container: str
    hook: Hook


class RunProvider(NamedTuple):
    """Run the program that provides a service: `up` or `down`, with its options as words, in the file's order."""

    service: str
    type: str
    options: tuple[tuple[str, str], ...] = ()
    verb: str = "up"


# The conditions of depends_on that are waited for; `service_started` is met by the start itself.
CONDITIONS = {"service_healthy": "healthy", "service_completed_successfully": "completed"}


class WaitFor(NamedTuple):
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
    | RunProvider
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
    RunProvider: "run",
    WaitFor: "wait",
}


class Step(NamedTuple):
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


class Plan(NamedTuple):
    """Steps in an order in which each comes after what it needs."""

    project: str
    engine: EngineIdentity
    steps: tuple[Step, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.steps

    @property
    def pending(self) -> bool:
        """Whether anything is to change. A provider is asked each time, and knows itself whether it has to do."""
        return not all(isinstance(step.action, RunProvider) for step in self.steps)

    @property
    def summary(self) -> dict[str, int]:
        return dict(Counter(step.word for step in self.steps))
