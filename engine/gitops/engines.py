"""The engines that projects run on, each reached once and shared; one that went away is reached anew when asked for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio

from engine.client.session import Engine, open_client
from engine.client.target import resolve_target
from engine.gitops.settings.models import EngineChoice


@dataclass(slots=True)
class Connection:
    engine: Engine
    stack: AsyncExitStack


@dataclass(slots=True)
class Engines:
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    known: dict[EngineChoice, Connection] = field(default_factory=dict)
    turn: anyio.Lock = field(default_factory=anyio.Lock)

    async def get(self, choice: EngineChoice) -> Engine:
        """Raises EngineError for one that can't be reached or isn't there."""
        async with self.turn:
            if choice not in self.known:
                stack = AsyncExitStack()
                target = resolve_target(choice.host, choice.context, self.environment)
                engine = await stack.enter_async_context(open_client(target, self.environment))
                self.known[choice] = Connection(engine, stack)
            return self.known[choice].engine

    async def forget(self, choice: EngineChoice) -> None:
        """After it went away: it may come back as another version."""
        if (connection := self.known.pop(choice, None)) is not None:
            await connection.stack.aclose()


@asynccontextmanager
async def open_engines(environment: Mapping[str, str] = os.environ) -> AsyncIterator[Engines]:
    engines = Engines(environment)
    try:
        yield engines
    finally:
        with anyio.CancelScope(shield=True):
            for choice in list(engines.known):
                await engines.forget(choice)
