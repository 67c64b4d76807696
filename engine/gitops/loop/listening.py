"""An engine listened to: what happens to a project's objects is a reason to look at the project, no more.

After a break everything on that engine is looked at: what was missed can't be known.
"""

from __future__ import annotations

import traceback

import anyio

from engine.client.errors import EngineError
from engine.client.session import Engine
from engine.gitops.loop.desk import Desk
from engine.gitops.settings.models import EngineChoice
from engine.kit.backoff import Backoff
from engine.kit.keyed import KeyedQueue
from engine.plan.lower.naming import PROJECT

RETRY = Backoff(first=0.5, factor=2.0, longest=30.0)
# Of these kinds; what a pull or an exec does is no drift.
TELLING = frozenset(
    {"die", "destroy", "stop", "kill", "pause", "oom", "update", "rename", "connect", "disconnect", "remove"}
)
# Docker says how a probe ended in the same word, Podman not at all.
PROBED = "health_status"
# A hand or a crash seldom does one thing only.
SETTLE_SECONDS = 0.2


async def listen(desk: Desk, choice: EngineChoice, queue: KeyedQueue[str]) -> None:
    """Until cancelled."""
    delays = RETRY.delays()
    async with anyio.create_task_group() as tasks:
        while True:
            try:
                engine = await desk.engines.get(choice)
                filters = {"type": ["container", "network", "volume"]}
                async with engine.system.events(filters=filters) as events:
                    look_at_all(desk, choice, queue)
                    delays = RETRY.delays()
                    async for event in events:
                        if isinstance(event, dict) and event.get("Action") == PROBED:
                            tasks.start_soon(note_health, desk, choice, queue, engine, event)
                        else:
                            note(desk, choice, queue, event)
            except EngineError:
                await desk.engines.forget(choice)
            except Exception as error:
                # whatever an engine says must not end the agent, nor the other engines' projects
                traceback.print_exception(error)
                await desk.engines.forget(choice)
            await desk.clock.sleep(next(delays))


async def note_health(desk: Desk, choice: EngineChoice, queue: KeyedQueue[str], engine: Engine, event: object) -> None:
    """Podman's event tells that a probe has ended, and not how; it may come before the outcome is stored."""
    assert isinstance(event, dict)
    await anyio.sleep(SETTLE_SECONDS)
    id = str((event.get("Actor") or {}).get("ID") or event.get("id") or "")
    try:
        health = (await engine.containers.inspect(id))["State"].get("Health") or {}
    except EngineError:
        # it is gone, which is told by itself; or the engine is, and then everything is looked at
        return
    note(desk, choice, queue, {**event, "Action": f"{PROBED}: {health.get('Status', '')}"})


def note(desk: Desk, choice: EngineChoice, queue: KeyedQueue[str], event: object) -> None:
    if not isinstance(event, dict):
        return
    action = str(event.get("Action") or event.get("status") or "")
    if action not in TELLING and action != f"{PROBED}: unhealthy":
        return
    attributes = (event.get("Actor") or {}).get("Attributes") or {}
    name = attributes.get(PROJECT)
    for key, target in desk.roster.targets.items():
        state = desk.states.get(key)
        if state is None or target.settings.policy.engine != choice:
            continue
        # a network's events bear no label of the project: by its name, or by the container
        network = name is None and state.name and str(attributes.get("name", "")).startswith(state.name)
        if name == state.name or network or attributes.get("container") in desk.containers.get(key, ()):
            queue.add(key, delay_seconds=SETTLE_SECONDS)


def look_at_all(desk: Desk, choice: EngineChoice, queue: KeyedQueue[str]) -> None:
    for key, target in desk.roster.targets.items():
        if target.settings.policy.engine == choice:
            queue.add(key)
