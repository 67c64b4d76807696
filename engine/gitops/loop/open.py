"""An agent put together from its settings, for as long as a block lasts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio

from engine.gitops.bus import Bus
from engine.gitops.engines import open_engines
from engine.gitops.loop.agent import Agent
from engine.gitops.loop.desk import Desk
from engine.gitops.places import Places
from engine.gitops.settings.models import Settings
from engine.gitops.state.store import Store
from engine.kit.clock import Clock, SystemClock
from engine.reconcile.contents import state_directory


@asynccontextmanager
async def open_agent(
    settings: Settings, environment: Mapping[str, str] = os.environ, clock: Clock | None = None
) -> AsyncIterator[Agent]:
    """Raises Conflict when another agent has the state, StateFault."""
    clock = clock or SystemClock()
    places = places_of(settings, environment)
    places.prepare()
    store = Store(places.database)
    try:
        async with open_engines(environment) as engines:
            steps = max(4, 2 * (os.cpu_count() or 1))
            desk = Desk(
                store,
                Bus(store, clock),
                engines,
                places,
                clock,
                parallel_steps=steps,
                slots=anyio.Semaphore(settings.parallel),
                folder=state_directory(environment),
                environment=environment,
            )
            yield Agent(settings, desk)
    finally:
        store.close()


def places_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> Places:
    return Places(settings.state or state_directory(environment) / "agent")
