"""The Engine API suite's subject: each engine in turn, through our client, with names that no other test uses."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable

import pytest

from engine.api.containers import ContainerCreate
from engine.client.session import Engine, open_client
from tests.engines import RunningEngine

COUNT = itertools.count(1)


@pytest.fixture(scope="session", params=["docker", "podman", "rorqual"])
def running(request: pytest.FixtureRequest) -> RunningEngine:
    engine: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    return engine


@pytest.fixture
def prefix() -> str:
    return f"suite-{os.getpid()}-{next(COUNT)}"


@pytest.fixture
async def engine(running: RunningEngine, prefix: str) -> AsyncIterator[Engine]:
    """A session; whatever the test made under its prefix is gone afterwards."""
    async with open_client(running.target) as client:
        yield client
        for container in await client.containers.list(all=True, filters={"name": prefix}):
            await client.containers.remove(container["Id"], force=True, volumes=True)
        for network in await client.networks.list(filters={"name": prefix}):
            await client.networks.remove(network["Id"])
        for volume in await client.volumes.list(filters={"name": prefix}):
            await client.volumes.remove(volume["Name"], force=True)


@pytest.fixture
def body(running: RunningEngine) -> Callable[..., ContainerCreate]:
    """The body of a container that runs a shell script."""

    def make(script: str = "sleep 1000", **more: object) -> ContainerCreate:
        made = {"Image": running.image, "Cmd": ["sh", "-c", script], "StopSignal": "SIGKILL", **more}
        return made  # type: ignore[return-value]

    return make
