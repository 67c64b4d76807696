"""What left the repository goes, if the source put it there; what others put beside it stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from engine.client.session import Engine
from engine.gitops.state.project import Sync
from tests.engine.gitops.host import Host, hosting
from tests.engines import RunningEngine

pytestmark = [pytest.mark.anyio, pytest.mark.root]
TWO = """\
services:
  web: {{image: {image}, command: sleep 1000, init: true, stop_grace_period: 0s, networks: [front]}}
  {second}: {{image: {image}, command: sleep 1000, init: true, stop_grace_period: 0s, networks: [{network}]}}
networks: {{front: , {network}: }}
"""


@pytest.fixture
async def there(rorqual_engine: RunningEngine, tmp_path: Path) -> AsyncIterator[tuple[Host, Engine]]:
    async with hosting(tmp_path, rorqual_engine, f"prune-{uuid4().hex[:8]}") as found:
        yield found


def two(host: Host, second: str, network: str) -> str:
    return TWO.format(image=host.running.image, second=second, network=network)


async def foreign(host: Host, client: Engine) -> str:
    """A container under the project's labels that the agent never put there."""
    labels = {"com.docker.compose.project": host.name, "com.docker.compose.service": "stray"}
    name = f"{host.name}-stray"
    body = {"Image": host.running.image, "Cmd": ["sleep", "1000"], "Labels": labels}
    await client.containers.create(body, name=name)  # type: ignore[arg-type]
    return name


async def test_a_service_and_a_network_that_left_go_and_a_stranger_stays(there: tuple[Host, Engine]) -> None:
    host, client = there
    first = host.commit(two(host, "old", "back"))
    async with host.agent() as agent:
        await host.synced(agent, first)
        stray = await foreign(host, client)
        second = host.commit(two(host, "new", "side"))
        await host.synced(agent, second)
        assert set(await host.containers(client)) == {f"{host.name}-web-1", f"{host.name}-new-1", stray}
        label = {"label": [f"com.docker.compose.project={host.name}"]}
        names = {network["Name"] for network in await client.networks.list(filters=label)}
        assert names == {f"{host.name}_front", f"{host.name}_side"}


async def test_with_prune_false_nothing_goes(there: tuple[Host, Engine]) -> None:
    host, client = there
    host.policy = "prune: false"
    first = host.commit(two(host, "old", "back"))
    async with host.agent() as agent:
        await host.synced(agent, first)
        second = host.commit(host.web())
        state = await host.until(agent, lambda s: s.synced == second)
        assert state.sync is Sync.SYNCED
        assert set(await host.containers(client)) == {f"{host.name}-web-1", f"{host.name}-old-1"}


async def test_a_container_that_was_there_before_is_taken_over_and_goes_with_its_service(
    there: tuple[Host, Engine],
) -> None:
    host, client = there
    labels = {
        "com.docker.compose.project": host.name,
        "com.docker.compose.service": "old",
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
    }
    name = f"{host.name}-old-1"
    body = {"Image": host.running.image, "Cmd": ["sleep", "1000"], "Labels": labels}
    await client.containers.create(body, name=name)  # type: ignore[arg-type]
    first = host.commit(two(host, "old", "back"))
    async with host.agent() as agent:
        await host.synced(agent, first)
        second = host.commit(host.web())
        await host.synced(agent, second)
        assert set(await host.containers(client)) == {f"{host.name}-web-1"}
