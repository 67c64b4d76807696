"""A call that is given up, at whatever moment, never leaves its answer to another."""

from __future__ import annotations

import random

import anyio
import pytest

from engine.client.session import Engine, open_client
from tests.engines import RunningEngine

pytestmark = [pytest.mark.root, pytest.mark.anyio]
ROUNDS, ABREAST = 40, 25


async def test_answers_stay_with_their_calls_while_others_are_cancelled(docker_engine: RunningEngine) -> None:
    chance = random.Random(7)
    async with open_client(docker_engine.target) as engine:
        ids = [(await engine.containers.create({"Image": docker_engine.image}))["Id"] for _ in range(5)]
        try:
            answered = 0
            for _ in range(ROUNDS):
                async with anyio.create_task_group() as tasks:
                    counts: list[bool] = []
                    for _ in range(ABREAST):
                        patience = chance.choice([0.0, 0.001, 0.002, 0.005, 0.02, 5.0])
                        tasks.start_soon(look, engine, chance.choice(ids), patience, counts)
                answered += len(counts)
            assert ROUNDS < answered < ROUNDS * ABREAST
        finally:
            for each in ids:
                await engine.containers.remove(each, force=True)


async def look(engine: Engine, container: str, patience: float, counts: list[bool]) -> None:
    with anyio.move_on_after(patience):
        found = await engine.containers.inspect(container)
        assert found["Id"] == container
        counts.append(True)


async def test_followed_logs_are_given_up_while_they_pour(docker_engine: RunningEngine) -> None:
    """anyio's own unix stream fails here now and then: a cancel in the moment in which bytes arrive."""
    async with open_client(docker_engine.target) as engine:
        body = {"Image": docker_engine.image, "Cmd": ["yes"], "HostConfig": {"LogConfig": {"Type": "json-file"}}}
        made = await engine.containers.create(body)  # type: ignore[arg-type]
        try:
            await engine.containers.start(made["Id"])
            seen = 0
            for count in range(30):
                with anyio.move_on_after(0.005 + count / 1000):
                    async with engine.containers.logs(made["Id"], follow=True, tail=1, tty=False) as frames:
                        async for _ in frames:
                            seen += 1
                assert (await engine.containers.inspect(made["Id"]))["State"]["Running"]
            assert seen > 0
        finally:
            await engine.containers.remove(made["Id"], force=True)
