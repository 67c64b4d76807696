"""An agent at work on a real engine, in the test's own event loop; waited for by its states and events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from engine.client.session import Engine, open_client
from engine.gitops.loop.agent import Agent
from engine.gitops.loop.open import open_agent
from engine.gitops.settings.read import read_settings
from engine.gitops.state.project import ProjectState, Sync
from engine.gitops.state.store import Event
from engine.kit.clock import Clock
from tests.engine.gitops.repository import Repository, make_repository
from tests.engines import RunningEngine

PATIENCE_SECONDS = 40.0
WEB = """\
services:
  web:
    image: {image}
    command: {command}
    init: true
    stop_grace_period: 1s
{more}"""


@dataclass
class Host:
    """`name` is the project; `policy` is flow YAML of the source's one project, `source` lines of the source.
    `discovered`: the source names no project. `directory` is followed in the place of the repository.
    """

    folder: Path
    running: RunningEngine
    name: str
    repository: Repository
    policy: str = ""
    source: str = ""
    discovered: bool = False
    directory: Path | None = None
    parallel: int = 4
    # More of agent.yaml.
    more: str = ""
    events: list[Event] = field(default_factory=list)

    def web(self, command: str = "sleep 1000", more: str = "") -> str:
        text = WEB.format(image=self.running.image, command=command, more=more)
        # Podman's own init is not packaged here
        return text.replace("    init: true\n", "") if self.running.kind == "podman" else text

    def commit(self, text: str | None = None, message: str = "a change", **files: str | None) -> str:
        given = {} if text is None else {"app/compose.yaml": text}
        return self.repository.commit({**given, **{k.replace("__", "/"): v for k, v in files.items()}}, message)

    @property
    def origin(self) -> str:
        if self.directory is not None:
            return f"directory: {self.directory}"
        return f"git: {self.repository.bare}\n    branch: main"

    @property
    def config(self) -> Path:
        path, named = self.folder / "agent.yaml", f", {self.policy}" if self.policy else ""
        path.write_text(
            f"state: {self.folder}/state\nparallel: {self.parallel}\n"
            f"engine: {{host: '{self.running.host}'}}\n"
            "defaults: {health_timeout: 15s}\n"
            f"{self.more}sources:\n  s:\n    {self.origin}\n    interval: 200ms\n{self.source}"
            + ("" if self.discovered else f"    projects:\n      {self.name}: {{path: app{named}}}\n")
        )
        return path

    @asynccontextmanager
    async def agent(self, clock: Clock | None = None) -> AsyncIterator[Agent]:
        """Running until the block ends; then stopped in order."""
        settings, _ = read_settings(self.config)
        async with open_agent(settings, clock=clock) as agent:
            with agent.desk.bus.listening() as events:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self.hear, events)
                    tasks.start_soon(agent.run)
                    try:
                        yield agent
                    finally:
                        agent.stop()
                        with anyio.CancelScope(shield=True):
                            await agent.queue.idle()
                    tasks.cancel_scope.cancel()

    async def hear(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            self.events.append(event)

    async def until(self, agent: Agent, condition: Callable[[ProjectState], bool]) -> ProjectState:
        """The project's state once the condition holds."""
        with anyio.move_on_after(PATIENCE_SECONDS):
            while True:
                state = agent.desk.states.get(self.name)
                if state is not None and self.name not in agent.queue.busy and condition(state):
                    return state
                await anyio.sleep(0.02)
        told = "\n".join(f"{e.kind}: {e.text}" for e in self.events)
        raise AssertionError(f"never so; {agent.desk.states.get(self.name)}\n{told}")

    async def synced(self, agent: Agent, revision: str) -> ProjectState:
        return await self.until(agent, lambda s: s.synced == revision and s.sync is Sync.SYNCED)

    async def heard(self, kind: str, count: int = 1) -> Event:
        """The event, once it came so many times."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                if len(found := self.kinds(kind)) >= count:
                    return found[-1]
                await anyio.sleep(0.02)

    def kinds(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    async def containers(self, client: Engine) -> dict[str, str]:
        """Name → id."""
        filters = {"label": [f"com.docker.compose.project={self.name}"]}
        found = await client.containers.list(all=True, filters=filters)
        return {each["Names"][0].lstrip("/"): each["Id"] for each in found}


@asynccontextmanager
async def hosting(folder: Path, running: RunningEngine, name: str) -> AsyncIterator[tuple[Host, Engine]]:
    """A host, and a client of its engine; what the project has there goes afterwards."""
    host = Host(folder, running, name, make_repository(folder / "r"))
    async with open_client(running.target) as client:
        yield host, client
        label = {"label": [f"com.docker.compose.project={name}"]}
        for container in await client.containers.list(all=True, filters=label):
            await client.containers.remove(container["Id"], force=True, volumes=True)
        for network in await client.networks.list(filters=label):
            await client.networks.remove(network["Id"])
        for volume in await client.volumes.list(filters=label):
            await client.volumes.remove(volume["Name"])
