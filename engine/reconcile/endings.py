"""How containers that exited with 0 came to their end, from the events that the engine still remembers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

import anyio

from engine.api.errors import EngineError
from engine.client.session import EngineReader
from engine.plan.observed import Ending, LiveContainer

# Docker keeps this many, in memory. Source: moby, daemon/events/events.go, eventsLimit.
KEPT = 256
# An engine whose clock is behind ours would go on until it has caught up.
LONGEST_SECONDS = 1.0
# dockerd ends its containers side by side, and none is given longer than this by default.
SHUTDOWN_SECONDS = 10.0
# From the end of one dockerd to the start of the next, a restart of the machine included.
LONGEST_BREAK_SECONDS = 300.0
SHORTEST_SERVICE_SECONDS = 0.3


def asks(container: LiveContainer) -> bool:
    """Whether its end needs an explanation: one that was to be restarted is down, whatever ended it."""
    policy = (container.inspect["HostConfig"].get("RestartPolicy") or {}).get("Name")
    return container.state == "exited" and container.exit_code == 0 and policy not in {"always", "unless-stopped"}


def finished(container: LiveContainer) -> float:
    """Seconds since the epoch, by the engine's clock."""
    return moment(container.inspect["State"]["FinishedAt"])


def began(container: LiveContainer) -> float:
    return moment(container.inspect["State"]["StartedAt"])


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def read_endings(engine: EngineReader, containers: Iterable[LiveContainer]) -> dict[str, Ending]:
    """Id → ending, of those for which it is known; one call where there are any, none else."""
    ended = [c for c in containers if asks(c)]
    if not ended:
        return {}
    wanted = {c.id for c in ended}
    # the engine's clock may be ahead of ours: its last word on them must be heard
    until = max(time.time(), *(finished(c) + 0.1 for c in ended))
    kind = (await engine.capabilities()).engine
    told: set[str] = set()
    died: set[str] = set()
    count = 0
    # Podman writes its events to a file and keeps them all: those of these containers will do
    filters = {"container": sorted(wanted)} if kind == "podman" else None
    with anyio.move_on_after(LONGEST_SECONDS) as scope:
        try:
            async with engine.system.events(filters=filters, since=1, until=f"{until:.9f}") as events:
                async for event in events:
                    count += 1
                    id = (event.get("Actor") or {}).get("ID", "")
                    if id in wanted:
                        note(event.get("Action", ""), id, told, died)
        except EngineError:
            return {}
    # dockerd takes its containers down with it. A memory that isn't full reaches back to its start: what it doesn't
    # know was before. Podman's containers, and ours, outlive their engine
    whole = kind == "docker" and count < KEPT and not scope.cancelled_caught
    before = wanted - told - died if whole else set()
    down = await went_down(engine, [c for c in ended if c.id in before]) if before else set()
    return {id: Ending.TOLD if id in told else Ending.BEFORE if id in down else Ending.ITSELF for id in wanted}


async def went_down(engine: EngineReader, ended: Sequence[LiveContainer]) -> set[str]:
    """Of containers that ended in an earlier life of dockerd, the ids of those that it may have taken down with it: not
    the work of a moment, nor what ended long before others did, or long before this life began.
    """
    try:
        # made anew whenever dockerd starts
        started = moment((await engine.networks.inspect("bridge")).get("Created") or "")
    except (EngineError, ValueError):
        return {c.id for c in ended}
    last = max(map(finished, ended))
    since = max(last - SHUTDOWN_SECONDS, started - LONGEST_BREAK_SECONDS)
    return {c.id for c in ended if finished(c) >= since and finished(c) - began(c) >= SHORTEST_SERVICE_SECONDS}


def note(action: str, id: str, told: set[str], died: set[str]) -> None:
    match action:
        case "start":
            told.discard(id)
            died.discard(id)
        case "kill" | "stop":
            told.add(id)
        case "die" | "died":
            died.add(id)
