"""One writing command's turn at a project: the lock from its first write on, and the release that it makes.

Nothing is taken and nothing recorded where there is nothing to write. What was planned before the lock was had is
planned again where the host moved in between.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio

from engine.api.errors import EngineError
from engine.client.session import Engine
from engine.kit.together import together
from engine.ledger.release import State
from engine.plan.lower.naming import PROJECT
from engine.plan.observed import Observed
from engine.reconcile.lock import LockTerms, project_lock
from engine.reconcile.recording import Recorder


@dataclass
class Turn:
    """`recorder` is None for a command that makes no release. `folder` is this machine's state; `say` hears waiting."""

    engine: Engine
    project: str
    command: str
    lock: LockTerms
    folder: Path
    say: Callable[[str], None]
    recorder: Recorder | None = None
    held: bool = False
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def take(self, observed: Observed) -> bool:
        """Take the lock, where it isn't held yet; True where what was observed before may be true no longer."""
        if self.held:
            return False
        await self.take_now()
        return not await still_stands(self.engine, self.project, observed)

    async def take_now(self) -> None:
        """For a command that has nothing observed that could be true no longer."""
        lock = project_lock(self.engine, self.project, self.command, self.lock, self.folder, self.say)
        await self.stack.enter_async_context(lock)
        self.held = True


@asynccontextmanager
async def one_turn(turn: Turn) -> AsyncIterator[Turn]:
    """At the end, however it comes: the release is finished, then the lock let go."""
    async with turn.stack:
        try:
            yield turn
        except BaseException as error:
            if turn.recorder is not None:
                known = isinstance(error, EngineError)
                turn.recorder.state = State.FAILED if known else State.INTERRUPTED
                turn.recorder.reason = turn.recorder.reason or (str(error) if known else "interrupted")
            raise
        finally:
            if turn.recorder is not None:
                with anyio.move_on_after(30, shield=True):
                    await turn.recorder.finish()


async def still_stands(engine: Engine, project: str, observed: Observed) -> bool:
    """Whether the project's containers, networks and volumes are those that were seen: three calls, no inspects."""
    filters = {"label": [f"{PROJECT}={project}"]}
    listed, networks_, volumes_ = await together(
        partial(engine.containers.list, all=True, filters=filters),
        partial(engine.networks.list, filters=filters),
        partial(engine.volumes.list, filters=filters),
    )
    containers = {(c["Id"], c["State"]) for c in listed}
    networks = {n["Id"] for n in networks_}
    volumes = {v["Name"] for v in volumes_}

    def ours(found: dict[str, str] | None) -> bool:
        return (found or {}).get(PROJECT) == project

    return (
        containers == {(c.id, c.state) for c in observed.containers}
        and networks == {n["Id"] for n in observed.networks.values() if ours(n.get("Labels"))}
        and volumes == {v["Name"] for v in observed.volumes.values() if ours(v.get("Labels"))}
    )
