"""One project's trouble holds no other, although only one may be worked on at a time: engines that never answer,
releases that take their time to get healthy, registries that are away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from engine.client.session import Engine
from engine.gitops.loop import agent as loop
from engine.gitops.state.project import Health, Sync, Waiting
from tests.engine.gitops.host import Host, hosting
from tests.engines import RunningEngine, short_folder

pytestmark = [pytest.mark.anyio, pytest.mark.root]
NEVER = "    healthcheck: {test: [CMD, test, -e, /ok], interval: 200ms, start_period: 1h}\n"


@pytest.fixture
async def there(rorqual_engine: RunningEngine, tmp_path: Path) -> AsyncIterator[tuple[Host, Engine]]:
    async with hosting(tmp_path, rorqual_engine, f"next-{uuid4().hex[:8]}") as found:
        host, client = found
        host.parallel = 1
        yield found
        for container in await client.containers.list(all=True, filters={"label": [f"of={host.name}"]}):
            await client.containers.remove(container["Id"], force=True)


async def test_an_engine_that_takes_calls_and_never_answers_holds_up_only_its_own_projects(
    there: tuple[Host, Engine],
) -> None:
    host, _ = there
    with short_folder() as folder:
        async with await anyio.create_unix_listener(folder / "frozen.sock"):
            engine = f"engine: {{host: 'unix://{folder}/frozen.sock'}}"
            host.source = f"    discover: {{pattern: 'frozen/compose.yaml', {engine}}}\n"
            first = host.repository.commit({"app/compose.yaml": host.web(), "frozen/compose.yaml": host.web()})
            async with host.agent() as agent:
                await host.synced(agent, first)
                frozen = agent.desk.states["frozen"]
                assert (frozen.failures, frozen.sync) == (0, Sync.UNKNOWN), "it still waits for its engine's answer"


async def test_an_engine_that_stops_to_answer_ends_the_look_and_nothing_is_held_for_it(
    there: tuple[Host, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's calls are answered but for pings, as far as the one who asks can see."""
    host, _ = there
    monkeypatch.setattr("engine.gitops.engines.ASK_SECONDS", 0.2)
    monkeypatch.setattr("engine.gitops.engines.ANSWER_SECONDS", 0.0)
    host.commit(host.web(more=NEVER))
    async with host.agent() as agent:
        state = await host.until(agent, lambda s: s.waiting is Waiting.RETRY)
        assert "gave no answer within 0 seconds" in state.reason
        assert (state.held, state.health) == ({}, Health.UNKNOWN)
        monkeypatch.undo()
        host.commit(host.web())
        await host.until(agent, lambda s: s.sync is Sync.SYNCED and s.health is Health.HEALTHY)


async def test_a_release_that_takes_its_time_to_get_healthy_lets_others_go_on(there: tuple[Host, Engine]) -> None:
    host, _ = there
    host.source = "    discover: {pattern: 'slow/compose.yaml', health_timeout: 10m}\n"
    slow = host.web(more=f"{NEVER}    labels: {{of: {host.name}}}\n")
    first = host.repository.commit({"slow/compose.yaml": f"name: slow-{host.name}\n{slow}"})
    async with host.agent() as agent:
        with anyio.fail_after(40):
            while (state := agent.desk.states.get("slow")) is None or state.health is not Health.PROGRESSING:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        second = host.commit(host.web())
        await host.synced(agent, second)
        assert (state.health, state.synced, state.attempted) == (Health.PROGRESSING, "", first)


async def test_what_a_service_waits_for_must_come_within_the_time_for_health(there: tuple[Host, Engine]) -> None:
    host, _ = there
    host.policy = "health_timeout: 2s"
    late = f"  late: {{image: {host.running.image}, depends_on: {{web: {{condition: service_healthy}}}}}}\n"
    bad = host.commit(host.web(more=NEVER + late))
    async with host.agent() as agent:
        state = await host.until(agent, lambda s: bad in s.held)
        assert "was not healthy within 2 s" in state.held[bad]


async def test_an_image_that_its_registry_does_not_give_now_is_asked_for_again_and_nothing_is_held(
    there: tuple[Host, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, client = there
    host.policy = "health_timeout: 100ms"
    monkeypatch.setattr(loop, "JITTER", 0.0)
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
        before = await host.containers(client)
        missing = "localhost:1/never/there:1"
        second = host.commit(host.web().replace(host.running.image, missing))
        told = await host.heard("failed")
        assert told.revision == second and missing in told.text
        state = await host.until(agent, lambda s: s.waiting is Waiting.RETRY)
        assert (state.held, state.synced, state.health) == ({}, first, Health.HEALTHY)
        assert await host.containers(client) == before, "what stands is left as it is"
        await client.images.tag(host.running.image, "localhost:1/never/there", "1")
        try:
            await host.synced(agent, second)
            assert len(host.kinds("failed")) == 1, "told once"
        finally:
            await client.images.remove(missing, force=True)
