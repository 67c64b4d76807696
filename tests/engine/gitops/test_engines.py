"""The loop on Docker and on Podman, as on the embedded engine elsewhere: commit, bad commit, drift, prune."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from engine.client.errors import NotFound
from engine.client.session import Engine
from engine.gitops.loop.agent import Agent
from engine.gitops.state.project import Health, Sync
from tests.engine.gitops.host import PATIENCE_SECONDS, Host, hosting
from tests.engines import RunningEngine

pytestmark = [pytest.mark.anyio, pytest.mark.root]


@pytest.fixture(params=["docker_engine", "podman_engine"])
def running(request: pytest.FixtureRequest) -> RunningEngine:
    engine: RunningEngine = request.getfixturevalue(request.param)
    return engine


@pytest.fixture
async def there(running: RunningEngine, tmp_path: Path) -> AsyncIterator[tuple[Host, Engine]]:
    async with hosting(tmp_path, running, f"on-{uuid4().hex[:8]}") as found:
        yield found


async def test_a_commit_is_brought_out_a_bad_one_goes_back_drift_is_mended_and_what_left_goes(
    there: tuple[Host, Engine],
) -> None:
    host, client = there
    db = f"  db:\n    image: {host.running.image}\n    command: sleep 1000\n    init: true\n    stop_grace_period: 1s\n"
    more = '    volumes: ["./site:/site:ro", "./data:/data"]\n    mem_limit: 64m\n'
    web, first_db = f"{host.name}-web-1", f"{host.name}-db-1"
    first = host.commit(host.web(more=more + db), app__site__index="one")
    async with host.agent() as agent:
        state = await host.synced(agent, first)
        assert state.health is Health.HEALTHY
        before = await host.containers(client)
        assert set(before) == {web, first_db}

        second = host.commit(app__site__index="two")
        await host.synced(agent, second)
        after = await host.containers(client)
        assert after[web] != before[web] and after[first_db] == before[first_db]

        bad = host.commit(host.web("sh -c 'exit 3'", more=more + db))
        state = await host.until(agent, lambda s: bad in s.held and s.health is Health.HEALTHY)
        assert (state.synced, state.sync) == (second, Sync.OUT_OF_SYNC)
        assert (await client.containers.inspect(web))["Config"]["Cmd"] == ["sleep", "1000"]

        heals = len(host.kinds("healed"))
        await client.containers.remove(first_db, force=True)
        await host.heard("healed", heals + 1)
        assert set(await host.containers(client)) == {web, first_db}

        if host.running.kind == "podman":
            await restarted_when_unhealthy(host, agent, client)

        last = host.commit(host.web(more=more))
        await host.synced(agent, last)
        assert set(await host.containers(client)) == {web}


async def restarted_when_unhealthy(host: Host, agent: Agent, client: Engine) -> None:
    """Podman's probes are run by systemd's timers, which aren't here: the test runs them."""
    web = f"{host.name}-web-1"

    async def probed(code: int) -> None:
        words = ["podman", "--url", host.running.host, "healthcheck", "run", web]
        assert (await anyio.run_process(words, check=False)).returncode == code

    probe = "    healthcheck: {test: [CMD, test, '!', -e, /sick], interval: 1h, retries: 1, timeout: 5s}\n"
    revision = host.commit(host.web(more=probe))
    await until(lambda: probes(client, web))
    await probed(0)
    await host.synced(agent, revision)
    began = (await client.containers.inspect(web))["State"]["StartedAt"]
    drifts = len(host.kinds("drifted"))
    await anyio.run_process(["docker", "-H", host.running.host, "exec", web, "touch", "/sick"])
    await probed(1)
    assert "service.web.1: it is unhealthy" in (await host.heard("drifted", drifts + 1)).text
    await until(lambda: began_later(client, web, began))
    await anyio.run_process(["docker", "-H", host.running.host, "exec", web, "rm", "/sick"])
    await probed(0)
    await host.until(agent, lambda s: s.sync is Sync.SYNCED and s.health is Health.HEALTHY)


async def probes(client: Engine, web: str) -> bool:
    return bool((await client.containers.inspect(web))["Config"].get("Healthcheck"))


async def began_later(client: Engine, web: str, before: str) -> bool:
    return (await client.containers.inspect(web))["State"]["StartedAt"] > before


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """A container that is being replaced is not there for a moment."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            with suppress(NotFound):
                if await condition():
                    return
            await anyio.sleep(0.05)
