"""Events given to all who are to be told, each at its own pace: a slow or dead one delays nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import anyio

from engine.client.errors import EngineError
from engine.gitops.loop.agent import Agent
from engine.gitops.settings.models import CommitStatus, Notification
from engine.gitops.state.store import Event
from engine.gitops.tell.notices import notify, wants
from engine.gitops.tell.statuses import MEANINGS, tell_status

Tell = Callable[[Event], Awaitable[None]]


async def keep_telling(agent: Agent) -> None:
    """Until cancelled. Settings that are read again may name others: who stays is not interrupted."""
    clock = agent.desk.clock
    scopes: dict[tuple[str, Notification], anyio.CancelScope] = {}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver, agent, "commit status", partial(wants_status, agent), partial(tell_host, agent))
        with agent.desk.bus.listening() as events:
            while True:
                wanted = {(f"notification {n + 1}", each) for n, each in enumerate(agent.settings.notifications)}
                for key in scopes.keys() - wanted:
                    scopes.pop(key).cancel()
                for name, each in sorted(wanted - scopes.keys(), key=lambda key: key[0]):
                    scope = scopes[name, each] = anyio.CancelScope()
                    tell = partial(notify, clock, each)
                    tasks.start_soon(within, scope, partial(deliver, agent, name, partial(wants, each), tell))
                await next_settings(events)


async def within(scope: anyio.CancelScope, work: Callable[[], Awaitable[None]]) -> None:
    with scope:
        await work()


async def next_settings(events: AsyncIterator[Event]) -> None:
    async for event in events:
        if event.kind == "settings":
            return


async def deliver(agent: Agent, name: str, wanted: Callable[[Event], bool], tell: Tell) -> None:
    with agent.desk.bus.listening() as events:
        async for event in events:
            if not wanted(event):
                continue
            try:
                await tell(event)
            except Exception as error:
                # who isn't told is no reason to end the loop
                text = f"{name}: {error.message if isinstance(error, EngineError) else repr(error)}"
                agent.desk.bus.tell("notification-failed", event.project, event.revision, text)


def status_of(agent: Agent, event: Event) -> CommitStatus | None:
    state = agent.desk.states.get(event.project)
    following = agent.followings.get(state.source) if state is not None else None
    return following.source.settings.status if following is not None else None


def wants_status(agent: Agent, event: Event) -> bool:
    return event.kind in MEANINGS and bool(event.revision) and status_of(agent, event) is not None


async def tell_host(agent: Agent, event: Event) -> None:
    status = status_of(agent, event)
    if status is not None:
        await tell_status(agent.desk.clock, status, event)
