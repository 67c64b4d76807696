"""What people order of a running agent, and what counts of it: going back, approvals, settings that change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from engine.client.errors import Conflict
from engine.client.session import Engine
from engine.gitops.loop import orders
from engine.gitops.loop.agent import Agent
from engine.gitops.loop.renewing import renew
from engine.gitops.settings.read import read_settings
from engine.gitops.state.project import Health, Sync, Waiting
from tests.engine.gitops.host import Host, hosting
from tests.engines import RunningEngine

pytestmark = [pytest.mark.anyio, pytest.mark.root]


@pytest.fixture
async def there(rorqual_engine: RunningEngine, tmp_path: Path) -> AsyncIterator[tuple[Host, Engine]]:
    async with hosting(tmp_path, rorqual_engine, f"order-{uuid4().hex[:8]}") as found:
        yield found


async def seconds(host: Host, client: Engine) -> str:
    """What the one container sleeps for."""
    found = (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Cmd"]
    return (found or ["", ""])[1]


async def test_back_is_to_any_commit_that_is_known_by_its_beginning_or_that_the_source_has(
    there: tuple[Host, Engine],
) -> None:
    host, client = there
    old = host.commit(host.web("sleep 1"))
    commits = [host.commit(host.web(f"sleep {number}")) for number in (2, 3)]
    async with host.agent() as agent:
        await host.synced(agent, commits[-1])
        last = host.commit(host.web("sleep 4"))
        await host.synced(agent, last)
        assert await orders.rollback(agent, host.name, commits[-1][:12], "a test") == commits[-1]
        await host.until(agent, lambda s: s.synced == commits[-1] and s.health is Health.HEALTHY)
        assert await seconds(host, client) == "3"
        newest = host.commit(host.web("sleep 5"))
        await host.synced(agent, newest)
        # never brought out here: only the repository has it
        assert await orders.rollback(agent, host.name, old, "a test") == old
        await host.until(agent, lambda s: s.synced == old and s.health is Health.HEALTHY)
        assert await seconds(host, client) == "1"


async def test_an_order_to_go_where_nothing_is_changes_nothing(there: tuple[Host, Engine]) -> None:
    host, _ = there
    bad = host.commit("services: {web: {imgae: x}}\n")
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
        second = host.commit(host.web("sleep 2"))
        state = await host.synced(agent, second)
        before = state.document()
        for wanted, told in (("f" * 40, "has no commit"), ("nonsense", "has no commit"), (bad, "imgae")):
            with pytest.raises(Conflict, match=told):
                await orders.rollback(agent, host.name, wanted, "a test")
        await host.until(agent, lambda s: s.document() | {"checked_at": 0} == before | {"checked_at": 0})
        orders.suspend(agent, host.name)
        with pytest.raises(Conflict, match=f"is suspended: `rorqual agent resume {host.name}` comes first"):
            await orders.rollback(agent, host.name, None, "a test")
        with pytest.raises(Conflict, match="is suspended"):
            orders.sync(agent, host.name)
        assert (orders.resume(agent, host.name), orders.resume(agent, host.name)) == ("resumed", "it was not suspended")


async def test_suspended_while_a_release_is_under_way_it_is_finished_first(there: tuple[Host, Engine]) -> None:
    host, _ = there
    slow = "    healthcheck: {test: [CMD, test, -e, /ok], interval: 100ms, start_period: 30s}\n"
    first = host.commit(host.web("sh -c 'sleep 2; touch /ok; sleep 1000'", slow))
    async with host.agent() as agent:
        with anyio.fail_after(40):
            while (state := agent.desk.states.get(host.name)) is None or state.health is not Health.PROGRESSING:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert orders.suspend(agent, host.name) == "suspended, once what is under way has ended"
        state = await host.until(agent, lambda s: s.waiting is Waiting.SUSPENDED)
        assert (state.synced, state.suspended) == (first, True)


async def test_a_sync_says_what_is_in_its_way(there: tuple[Host, Engine]) -> None:
    host, _ = there
    host.policy = "windows: [{cron: '0 0 1 1 *', duration: 1s}]"
    host.commit(host.web())
    async with host.agent() as agent:
        await host.until(agent, lambda s: s.waiting is Waiting.WINDOW)
        assert "a new revision waits for its window, which opens at" in orders.sync(agent, host.name)
        host.repository.bare.rename(host.repository.bare.with_name("away"))
        await host.heard("source-failed")
        assert "its source s can't be read: git" in orders.sync(agent, host.name)


async def test_an_approval_is_for_one_plan_and_goes_with_it(there: tuple[Host, Engine]) -> None:
    host, client = there
    host.policy = "approve_over: 1"
    host.commit(host.web("sleep 1"))
    async with host.agent() as agent:
        state = await host.until(agent, lambda s: s.waiting is Waiting.APPROVAL)
        digest = state.digest
        with pytest.raises(Conflict, match=f"the plan that waits is {digest}, not 0123: look at it again"):
            orders.approve(agent, host.name, "a test", "0123")
        for number in (8, 9):
            before, more = agent.desk.states[host.name].digest, f"  db: {{image: x, command: sleep {number}}}\n"
            host.commit(host.web("sleep 2", more * (number - 7)).replace("db:", f"db{number}:", 1))
            state = await host.until(agent, lambda s, b=before: s.waiting is Waiting.APPROVAL and s.digest != b)  # type: ignore[misc]
            # given for the first, and before it is seen the repository has something else again
            agent.desk.store.approve(host.name, digest, "a test", 0.0)
        assert agent.desk.store.approved(host.name, digest)
        fourth = host.commit(host.web("sleep 2"))
        await host.until(agent, lambda s: s.target == fourth and s.waiting is Waiting.APPROVAL)
        third = host.commit(host.web("sleep 1"))
        state = await host.until(agent, lambda s: s.target == third and s.digest == digest)
        assert (state.waiting, await host.containers(client)) == (Waiting.APPROVAL, {})
        orders.approve(agent, host.name, "a test", digest)
        await host.synced(agent, third)


async def test_the_way_back_is_not_held_up_by_the_size_of_its_plan(there: tuple[Host, Engine]) -> None:
    host, client = there
    host.policy = "approve_over: 0"
    first = host.commit(host.web("sleep 1"))
    async with host.agent() as agent:
        await host.until(agent, lambda s: s.waiting is Waiting.APPROVAL)
        orders.approve(agent, host.name, "a test")
        await host.synced(agent, first)
        bad = host.commit(host.web("sh -c 'exit 3'"))
        await host.until(agent, lambda s: s.target == bad and s.waiting is Waiting.APPROVAL)
        orders.approve(agent, host.name, "a test")
        state = await host.until(agent, lambda s: bad in s.held and s.health is Health.HEALTHY)
        assert (state.synced, await seconds(host, client)) == (first, "1")


async def renewed(host: Host, agent: Agent, policy: str) -> None:
    host.policy = policy
    settings, _ = read_settings(host.config)
    for _ in renew(agent, settings):
        pass


async def test_settings_that_change_are_no_drift_and_are_brought_out_where_drift_is_only_reported(
    there: tuple[Host, Engine],
) -> None:
    host, client = there
    host.policy = "heal: report"
    first = host.commit(host.web("sleep ${SECONDS_ASLEEP:-1000}"))
    async with host.agent() as agent:
        await host.synced(agent, first)
        await renewed(host, agent, "heal: report, environment: {SECONDS_ASLEEP: 7}")
        await host.heard("synced", 2)
        assert (await seconds(host, client), host.kinds("drifted")) == ("7", [])
        form = agent.desk.states[host.name].form
        assert form.startswith("hmac:")
    async with host.agent() as agent:
        state = await host.until(agent, lambda s: s.sync is Sync.SYNCED and s.checked_at > 0)
        assert state.form == form and len(host.kinds("synced")) == 2, "a restart changes no settings"


async def test_what_is_wrong_beside_the_commit_is_got_over_when_it_is_right_again(there: tuple[Host, Engine]) -> None:
    host, client = there
    variables = host.folder / "variables"
    variables.write_text("SECONDS_ASLEEP=5\n")
    host.policy = f"interval: 300ms, env_files: [{variables}]"
    first = host.commit(host.web("sleep $SECONDS_ASLEEP"))
    async with host.agent() as agent:
        await host.synced(agent, first)
        assert await seconds(host, client) == "5"
    variables.rename(host.folder / "away")
    async with host.agent() as agent:
        event = await host.heard("failed")
        assert "variables" in event.text
        state = await host.until(agent, lambda s: s.waiting is Waiting.RETRY)
        assert (state.held, state.synced) == ({}, first), "what has stood is not held for it"
        second = host.commit(host.web("sleep 1$SECONDS_ASLEEP"))
        await host.until(agent, lambda s: second in s.held)
        (host.folder / "away").rename(variables)
        await host.synced(agent, second)
        assert await seconds(host, client) == "15"
        variables.write_text("SECONDS_ASLEEP=6\n")
        await host.until(agent, lambda s: s.sync is Sync.SYNCED and bool(host.kinds("healed")))
        assert await seconds(host, client) == "16"


async def test_a_network_that_a_hand_attaches_is_seen_at_once(there: tuple[Host, Engine]) -> None:
    host, client = there
    host.policy = "interval: 1h"
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
        await client.networks.create({"Name": f"strange-{host.name}"})
        try:
            await client.networks.connect(f"strange-{host.name}", f"{host.name}-web-1")
            await host.heard("healed")
            found = await client.containers.inspect(f"{host.name}-web-1")
            assert list(found["NetworkSettings"]["Networks"] or ()) == [f"{host.name}_default"]
        finally:
            await client.networks.remove(f"strange-{host.name}")


@pytest.mark.parametrize("what", ["source", "project"])
async def test_what_the_settings_name_no_more_is_left_as_it_is_and_may_come_back(
    there: tuple[Host, Engine], what: str
) -> None:
    host, client = there
    host.policy = "interval: 200ms"
    first = host.repository.commit({"app/compose.yaml": host.web(), "none.yaml": "sources: {}\n"})
    async with host.agent() as agent:
        await host.synced(agent, first)
        before, settings = await host.containers(client), agent.settings
        without = replace(settings.sources[0], projects=(), more="none.yaml")
        list(renew(agent, replace(settings, sources=() if what == "source" else (without,))))
        looks = agent.looks
        await host.until(agent, lambda s: "it is left as it is" in s.reason)
        # what was to be looked at soon is looked at no more: it would be taken for a project that left its source
        with anyio.move_on_after(2):
            await host.heard("pruned")
        assert await host.containers(client) == before and host.kinds("pruned") == []
        assert agent.looks <= looks + 2 and not agent.desk.states[host.name].removed
        list(renew(agent, settings))
        await host.synced(agent, host.commit(host.web("sleep 2")))
        assert await seconds(host, client) == "2"


async def test_an_order_before_the_source_was_read_removes_nothing(there: tuple[Host, Engine]) -> None:
    """As after a restart without a network."""
    host, client = there
    host.discovered = True
    host.source = "    discover: {pattern: 'app/compose.yaml'}\n"
    first = host.commit(f"name: {host.name}\n{host.web()}")
    key, name = "app", host.name
    host.name = key
    async with host.agent() as agent:
        await host.synced(agent, first)
    filters = {"label": [f"com.docker.compose.project={name}"]}
    before = [each["Id"] for each in await client.containers.list(all=True, filters=filters)]
    away = host.repository.bare.with_name("away.git")
    host.repository.bare.rename(away)
    async with host.agent() as agent:
        await host.heard("source-failed")
        orders.suspend(agent, key)
        orders.resume(agent, key)
        orders.sync(agent, key)
        with anyio.move_on_after(1):
            await host.heard("pruned")
        await host.until(agent, lambda s: not s.removed)
        assert [each["Id"] for each in await client.containers.list(all=True, filters=filters)] == before
        away.rename(host.repository.bare)
        second = host.commit(f"name: {name}\n{host.web('sleep 2')}")
        await host.synced(agent, second)
    host.name = name
