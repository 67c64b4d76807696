"""The life of a container as a state machine: phases, verbs, one pure transition function.

Source: Engine API v1.50, ContainerState; the refusals are dockerd's.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from engine.api.errors import Conflict, SystemFailure


class Phase(enum.Enum):
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    # Between two runs of a restart policy: no process, but not at its end.
    RESTARTING = "restarting"
    EXITED = "exited"
    REMOVING = "removing"
    DEAD = "dead"

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self in (Phase.RUNNING, Phase.PAUSED)


class Verb(enum.Enum):
    START = "start"
    STOP = "stop"
    KILL = "kill"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    # Its process ended; with `AWAIT` a restart policy will start it again.
    END = "end"
    AWAIT = "await"
    REMOVE = "remove"
    FORCE_REMOVE = "force-remove"


@dataclass(frozen=True, slots=True)
class Unchanged(Exception):
    """It is already what was asked for: 304, not a fault."""


def transition(phase: Phase, verb: Verb, id: str) -> Phase:
    """The phase after the verb. Raises Unchanged, Conflict, SystemFailure (unpause of what isn't paused)."""
    match verb, phase:
        case Verb.START, Phase.CREATED | Phase.EXITED | Phase.RESTARTING:
            return Phase.RUNNING
        case Verb.START, Phase.RUNNING:
            raise Unchanged
        case Verb.START, Phase.PAUSED:
            raise Conflict("cannot start a paused container, try unpause instead")
        case Verb.START, _:
            raise Conflict("container is marked for removal and cannot be started")
        case Verb.STOP, Phase.RUNNING | Phase.PAUSED | Phase.RESTARTING:
            return Phase.EXITED
        case Verb.STOP, _:
            raise Unchanged
        case Verb.KILL, Phase.RUNNING | Phase.PAUSED:
            return phase
        case Verb.KILL, _:
            raise Conflict(f"Container {id} is not running")
        case Verb.PAUSE, Phase.RUNNING:
            return Phase.PAUSED
        case Verb.PAUSE, Phase.PAUSED:
            raise Conflict(f"Container {id} is already paused")
        case Verb.PAUSE, Phase.RESTARTING:
            raise Conflict(f"Container {id} is restarting, wait until the container is running")
        case Verb.PAUSE, _:
            raise Conflict(f"Container {id} is not running")
        case Verb.UNPAUSE, Phase.PAUSED:
            return Phase.RUNNING
        case Verb.UNPAUSE, _:
            raise SystemFailure(f"Container {id} is not paused")
        case Verb.END, Phase.RUNNING | Phase.PAUSED | Phase.RESTARTING:
            return Phase.EXITED
        case Verb.AWAIT, Phase.RUNNING | Phase.PAUSED | Phase.EXITED:
            return Phase.RESTARTING
        case ((Verb.END | Verb.AWAIT), _):
            return phase
        case Verb.REMOVE, Phase.RUNNING | Phase.RESTARTING:
            raise Conflict(
                f"You cannot remove a {phase.value} container {id}. "
                "Stop the container before attempting removal or force remove"
            )
        case Verb.REMOVE, Phase.PAUSED:
            raise Conflict(
                f"You cannot remove a paused container {id}. "
                "Unpause and then stop the container before attempting removal or force remove"
            )
        case ((Verb.REMOVE | Verb.FORCE_REMOVE), Phase.REMOVING):
            raise Conflict(f"removal of container {id} is already in progress")
        case ((Verb.REMOVE | Verb.FORCE_REMOVE), _):
            return Phase.REMOVING
    raise AssertionError((verb, phase))


def must_run(phase: Phase, id: str, doing: str) -> None:
    """Refuse what needs a running, unpaused process. `doing` ends the sentence: "exec"."""
    if phase is Phase.PAUSED:
        raise Conflict(f"Container {id} is paused, unpause the container before {doing}")
    if phase is Phase.RESTARTING:
        raise Conflict(f"Container {id} is restarting, wait until the container is running")
    if phase is not Phase.RUNNING:
        raise Conflict(f"Container {id} is not running")
