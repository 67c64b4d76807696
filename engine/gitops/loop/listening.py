"""An engine listened to: what happens to a project's objects is a reason to look at the project, no more.

After a break everything on that engine is looked at: what was missed can't be known.
"""

from __future__ import annotations

import traceback

from engine.client.errors import EngineError, NotFound
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
# A hand or a crash seldom does one thing only.
SETTLE_SECONDS = 0.2


async def listen(desk: Desk, choice: EngineChoice, queue: KeyedQueue[str]) -> None:
    """Until cancelled."""
    delays = RETRY.delays()
    while True:
        try:
            engine = await desk.engines.get(choice)
            filters = {"type": ["container", "network", "volume"]}
            async with engine.system.events(filters=filters) as events:
                look_at_all(desk, choice, queue)
                delays = RETRY.delays()
                async for event in events:
                    note(desk, choice, queue, await with_health(engine, event))
        except EngineError:
            await desk.engines.forget(choice)
        except Exception as error:
            # whatever an engine says must not end the agent, nor the other engines' projects
            traceback.print_exception(error)
            await desk.engines.forget(choice)
        await desk.clock.sleep(next(delays))


async def with_health(engine: Engine, event: object) -> object:
    """The event in Docker's words: Podman's tells that a probe has ended, and not how."""
    if not isinstance(event, dict) or event.get("Action") != "health_status":
        return event
    id = str((event.get("Actor") or {}).get("ID") or event.get("id") or "")
    try:
        health = (await engine.containers.inspect(id))["State"].get("Health") or {}
    except NotFound:
        return event
    return {**event, "Action": f"health_status: {health.get('Status', '')}"}


def note(desk: Desk, choice: EngineChoice, queue: KeyedQueue[str], event: object) -> None:
    if not isinstance(event, dict):
        return
    action = str(event.get("Action") or event.get("status") or "")
    if action not in TELLING and action != "health_status: unhealthy":
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
