"""The engines that projects run on, each reached once and shared; one that went away is reached anew when asked for.

One that takes calls and never answers them holds up nobody but its own projects.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio

from engine.client.errors import EngineError, Timeout, Unavailable
from engine.client.session import Engine, open_client
from engine.client.target import resolve_target
from engine.gitops.settings.models import EngineChoice
from engine.kit.beside import beside

# How often an engine at work is asked whether it still answers, and how long it may take.
ASK_SECONDS, ANSWER_SECONDS = 20.0, 60.0


@dataclass(slots=True)
class Connection:
    engine: Engine
    stack: AsyncExitStack


@dataclass(slots=True)
class Engines:
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    known: dict[EngineChoice, Connection] = field(default_factory=dict)
    turns: dict[EngineChoice, anyio.Lock] = field(default_factory=dict)

    async def get(self, choice: EngineChoice) -> Engine:
        """Raises EngineError for one that can't be reached or isn't there."""
        async with self.turns.setdefault(choice, anyio.Lock()):
            if choice not in self.known:
                stack = AsyncExitStack()
                target = resolve_target(choice.host, choice.context, self.environment)
                engine = await stack.enter_async_context(open_client(target, self.environment))
                self.known[choice] = Connection(engine, stack)
            return self.known[choice].engine

    @asynccontextmanager
    async def watched(self, choice: EngineChoice) -> AsyncIterator[Engine]:
        """The engine, for a block that is ended when it answers no more. Raises EngineError."""
        engine = await self.get(choice)
        lost: list[Unavailable] = []

        async def keep_asking(scope: anyio.CancelScope) -> None:
            while True:
                await anyio.sleep(ASK_SECONDS)
                try:
                    await engine.system.ping(timeout_seconds=ANSWER_SECONDS)
                except (Unavailable, Timeout) as error:
                    lost.append(Unavailable(error.message))
                    scope.cancel()
                except EngineError:
                    # an answer, if no good one
                    continue

        async with beside(keep_asking):
            yield engine
        if lost:
            raise lost[0]

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
