"""A folder as a source: followed as it changes, and taken back to what the ledger keeps of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from engine.client.errors import Conflict
from engine.client.session import Engine
from engine.gitops.loop import orders
from engine.gitops.state.project import Health, Sync, Waiting
from tests.engine.gitops.host import Host, hosting
from tests.engines import RunningEngine

pytestmark = [pytest.mark.anyio, pytest.mark.root]
HEALTH = "    healthcheck: {{test: [CMD, grep, good, /conf], interval: 300ms, retries: 2, start_period: 0s}}\n"
CONF = '    volumes: ["./conf:/conf:ro"]\n'


@pytest.fixture
async def there(rorqual_engine: RunningEngine, tmp_path: Path) -> AsyncIterator[tuple[Host, Engine]]:
    async with hosting(tmp_path, rorqual_engine, f"folder-{uuid4().hex[:8]}") as (host, client):
        host.directory = tmp_path / "folder"
        (host.directory / "app").mkdir(parents=True)
        yield host, client


def put(host: Host, conf: str, seconds: int = 1000) -> None:
    assert host.directory is not None
    (host.directory / "app/conf").write_text(conf)
    more = CONF + HEALTH.format()
    (host.directory / "app/compose.yaml").write_text(host.web(f"sleep {seconds}", more=more))


async def test_a_folder_that_turns_bad_goes_back_to_what_was_healthy_also_after_a_restart(
    there: tuple[Host, Engine],
) -> None:
    host, client = there
    put(host, "good 1\n")
    async with host.agent() as agent:
        good = await host.until(agent, lambda s: s.sync is Sync.SYNCED and s.health is Health.HEALTHY)
        first = good.synced
        put(host, "bad\n", 2000)
        await host.heard("rolled-back")
        state = await host.until(agent, lambda s: s.health is Health.HEALTHY and s.waiting is Waiting.NEWER)
        assert (state.synced, list(state.held)) == (first, [state.target])
        found = await client.containers.inspect(f"{host.name}-web-1")
        assert found["Config"]["Cmd"] == ["sleep", "1000"]
    async with host.agent() as agent:
        await client.containers.remove(f"{host.name}-web-1", force=True)
        await host.heard("healed")
        assert (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Cmd"] == ["sleep", "1000"]
        put(host, "good 2\n", 3000)
        await host.until(agent, lambda s: s.sync is Sync.SYNCED and s.health is Health.HEALTHY and s.synced != first)
        assert (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Cmd"] == ["sleep", "3000"]
        with pytest.raises(Conflict, match="no release of 000000000000 is recorded"):
            await orders.rollback(agent, host.name, "0" * 40, "a test")
        back = await orders.rollback(agent, host.name, None, "a test")
        assert back == first
        await host.until(agent, lambda s: s.synced == first and s.health is Health.HEALTHY)
        assert (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Cmd"] == ["sleep", "1000"]


async def test_what_a_folder_holds_that_no_release_keeps_is_named_on_the_way_back(there: tuple[Host, Engine]) -> None:
    host, _ = there
    assert host.directory is not None
    site = host.directory / "app/site"
    await anyio.Path(site).mkdir()
    await anyio.Path(site, "index").write_text("one")
    compose = anyio.Path(host.directory, "app/compose.yaml")
    mounted = '    volumes: ["./site:/site:ro"]\n'
    await compose.write_text(host.web(more=mounted))
    async with host.agent() as agent:
        await host.until(agent, lambda s: s.sync is Sync.SYNCED and s.health is Health.HEALTHY)
        await anyio.Path(site, "index").write_text("two")
        await compose.write_text(host.web("sh -c 'exit 3'", more=mounted))
        text = (await host.heard("rolled-back")).text
    assert f"; but {site} has changed since, and is not kept in the history: containers see it as it is now" in text
