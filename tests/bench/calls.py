"""Containers by the Engine API itself, no command line between: made, started, stopped and removed all at once, on the
embedded engine and on dockerd in turn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from engine.api.containers import ContainerCreate
from engine.api.errors import Forbidden
from engine.client.session import Engine, open_client
from tests.bench.daemon import ROUNDS, add, both, summary
from tests.bench.table import Table
from tests.engines import RunningEngine

NETWORK = "bench"


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of each stage of one round on one engine."""

    up: float
    stop: float
    remove: float
    network: float

    @property
    def down(self) -> float:
        return self.stop + self.remove + self.network


def asked_of(image: str, number: int) -> ContainerCreate:
    """One process that ends when it is asked to, its name resolvable, a health check every 5 s."""
    return {
        "Image": image,
        "Cmd": ["sleep", "1000"],
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000},
        "HostConfig": {"Init": True, "NetworkMode": NETWORK},
        "NetworkingConfig": {"EndpointsConfig": {NETWORK: {"Aliases": [f"s{number}"]}}},
    }


async def all_at_once(work: Sequence[Callable[[], Coroutine[Any, Any, object]]]) -> float:
    """Seconds until the last one is done."""
    began = time.monotonic()
    async with anyio.create_task_group() as tasks:
        for each in work:
            tasks.start_soon(each)
    return time.monotonic() - began


async def one_round(engine: Engine, image: str, count: int) -> Round:
    names = [f"bench-{number}" for number in range(count)]

    async def start(number: int) -> None:
        made = await engine.containers.create(asked_of(image, number), name=names[number])
        await engine.containers.start(made["Id"])

    began = time.monotonic()
    await engine.networks.create({"Name": NETWORK})
    await all_at_once([partial(start, number) for number in range(count)])
    up = time.monotonic() - began
    stop = await all_at_once([partial(engine.containers.stop, name) for name in names])
    remove = await all_at_once([partial(engine.containers.remove, name) for name in names])
    began = time.monotonic()
    await remove_network(engine)
    return Round(up, stop, remove, time.monotonic() - began)


async def remove_network(engine: Engine) -> None:
    """A dockerd that was asked for a hundred ends at once may not have heard of all of them itself."""
    with anyio.fail_after(60):
        while True:
            try:
                return await engine.networks.remove(NETWORK)
            except Forbidden:
                await anyio.sleep(0.05)


def measured(engine: RunningEngine, count: int) -> Round:
    async def run() -> Round:
        async with open_client(engine.target) as client:
            return await one_round(client, engine.image, count)

    return anyio.run(run)


def calls_bench() -> Table:
    table = Table("The embedded engine beside dockerd, by the API", ("what", "on ours", "on dockerd", "ratio"))
    with both() as (ours, theirs, _):
        for count in (20, 100):
            rounds = [(measured(ours, count), measured(theirs, count)) for _ in range(ROUNDS + 1)][1:]
            add(table, f"up of {count} by the API", summary([(a.up, b.up) for a, b in rounds]), 1 / 8)
            add(table, f"down of {count} by the API", summary([(a.down, b.down) for a, b in rounds]), 1 / 8)
            for stage in ("stop", "remove", "network"):
                pairs = [(getattr(a, stage), getattr(b, stage)) for a, b in rounds]
                our, their = (statistics.median(side) for side in zip(*pairs, strict=True))
                table.rows.append((f"  of that: {stage}", f"{our:.3f} s", f"{their:.3f} s", f"{our / their:.2f}"))
    return table


BENCHES = (calls_bench,)
