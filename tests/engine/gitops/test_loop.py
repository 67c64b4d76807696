"""The loop on a real engine: a commit becomes containers, a bad one goes back, drift is mended, faults pass."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from engine.client.errors import Conflict
from engine.client.session import Engine
from engine.daemon.containers.host import read_host
from engine.gitops.api import documents
from engine.gitops.loop import look, orders
from engine.gitops.state.project import Health, Sync, Waiting
from engine.reconcile.lock import LockTerms, project_lock
from tests.engine.gitops.host import Host, hosting
from tests.engines import RunningEngine

pytestmark = [pytest.mark.anyio, pytest.mark.root]
HEALTH = "    healthcheck: {{test: [CMD, test, -f, /site/{file}], interval: 300ms, retries: 2, start_period: 0s}}\n"
SITE = '    volumes: ["./site:/site:ro"]\n'


@pytest.fixture
async def there(rorqual_engine: RunningEngine, tmp_path: Path) -> AsyncIterator[tuple[Host, Engine]]:
    async with hosting(tmp_path, rorqual_engine, f"loop-{uuid4().hex[:8]}") as found:
        yield found


async def test_a_commit_becomes_containers_and_the_next_one_only_what_it_changed(there: tuple[Host, Engine]) -> None:
    host, client = there
    first = host.commit(host.web(), "first")
    async with host.agent() as agent:
        state = await host.synced(agent, first)
        assert (state.health, state.name) == (Health.HEALTHY, host.name)
        before = await host.containers(client)
        assert list(before) == [f"{host.name}-web-1"]
        other = host.commit(README="nothing of the project's")
        await host.synced(agent, other)
        assert await host.containers(client) == before
        changed = host.commit(host.web("sleep 2000"))
        await host.synced(agent, changed)
        assert await host.containers(client) != before


async def test_what_the_engine_passes_over_of_a_container_is_told(there: tuple[Host, Engine]) -> None:
    host, _ = there
    if read_host(1, ()).may_raise:
        pytest.skip("where limits can be raised this one is not held to the engine's own")
    revision = host.commit(host.web(more="    ulimits: {nofile: {soft: 1024, hard: 4000000000}}\n"))
    async with host.agent() as agent:
        await host.synced(agent, revision)
        told = await host.heard("warning")
    assert told.text.startswith("service.web.1: ") and "nofile" in told.text.lower()
    assert (told.project, told.revision) == (host.name, revision)


async def test_a_key_that_the_engine_can_not_honour_is_told_once_of_each_revision(there: tuple[Host, Engine]) -> None:
    host, _ = there
    revision = host.commit(host.web(more="    cpu_percent: 50\n"))
    async with host.agent() as agent:
        await host.synced(agent, revision)
        told = await host.heard("warning")
    assert "cpu_percent" in told.text and "compose.yaml:" in told.text
    assert (told.project, told.revision) == (host.name, revision)


async def test_files_of_git_are_mounted_by_their_content_and_data_outlives_commits(there: tuple[Host, Engine]) -> None:
    host, client = there
    more = '    volumes: ["./site:/site:ro", "./data:/data"]\n'
    first = host.commit(host.web(more=more), app__site__index="one")
    async with host.agent() as agent:
        await host.synced(agent, first)
        before = await host.containers(client)
        mounts = (await client.containers.inspect(next(iter(before))))["Mounts"]
        sources = {mount["Destination"]: Path(mount["Source"]) for mount in mounts}
        assert sources["/data"] == host.folder / "state/data" / host.name / "data"
        (sources["/data"] / "kept").write_text("by the container")
        assert (sources["/site"] / "index").read_text() == "one"
        await host.synced(agent, host.commit(OTHER="a commit that touches no file of the site"))
        assert await host.containers(client) == before, "the same content is no reason to recreate"
        await host.synced(agent, host.commit(app__site__index="two"))
        mounts = (await client.containers.inspect(f"{host.name}-web-1"))["Mounts"]
        now = {mount["Destination"]: Path(mount["Source"]) for mount in mounts}
        assert (now["/site"] / "index").read_text() == "two"
        assert (now["/data"] / "kept").read_text() == "by the container"


async def test_a_release_that_never_gets_healthy_goes_back_and_is_held(there: tuple[Host, Engine]) -> None:
    host, client = there
    good = host.commit(host.web(more=SITE + HEALTH.format(file="index")), app__site__index="x")
    async with host.agent() as agent:
        await host.synced(agent, good)
        bad = host.commit(host.web(more=SITE + HEALTH.format(file="nowhere")))
        assert "is unhealthy" in (await host.heard("failed")).text
        await host.heard("rolled-back")
        state = await host.until(agent, lambda s: s.health is Health.HEALTHY and bad in s.held)
        assert (state.synced, state.sync, state.waiting) == (good, Sync.OUT_OF_SYNC, Waiting.NEWER)
        test = (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Healthcheck"]["Test"]
        assert test == ["CMD", "test", "-f", "/site/index"]
        newer = host.commit(host.web("sleep 7", more=SITE + HEALTH.format(file="index")))
        await host.synced(agent, newer)


async def test_going_back_is_to_the_very_image_that_ran_although_its_tag_has_moved(there: tuple[Host, Engine]) -> None:
    host, client = there
    tag, web = f"{host.name}:latest", f"{host.name}-web-1"
    await client.images.tag(host.running.image, host.name, "latest")
    text = host.web().replace(host.running.image, tag)
    good = host.commit(text)
    async with host.agent() as agent:
        await host.synced(agent, good)
        ran = (await client.containers.inspect(web))["Image"]
        # a newer image under the same tag, with which nothing can start
        broken = (await client.containers.create({"Image": host.running.image}))["Id"]
        await client.containers.commit(broken, repository=host.name, tag="latest", changes=['ENTRYPOINT ["/no"]'])
        await client.containers.remove(broken)
        bad = host.commit(text + "    environment: {NEW: 1}\n")
        state = await host.until(agent, lambda s: bad in s.held and s.health is Health.HEALTHY)
        assert state.synced == good
        found = await client.containers.inspect(web)
        assert found["Image"] == ran and "NEW=1" not in (found["Config"]["Env"] or ())
        newest, *_ = documents.releases(agent, state)
        assert newest.kind == "rollback"
        await client.containers.remove(web, force=True)
        await host.heard("healed")
        assert (await client.containers.inspect(web))["Image"] == ran
        assert [release.kind for release in documents.releases(agent, state)] == ["up", "rollback", "up", "up"]


async def test_a_faulty_file_is_held_and_what_stands_is_kept_up(there: tuple[Host, Engine]) -> None:
    host, client = there
    good = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, good)
        host.commit("services: {web: {imaeg: x}}")
        assert "compose.yaml:1:18: error[unknown-key]: services.web.imaeg" in (await host.heard("failed")).text
        await client.containers.remove(f"{host.name}-web-1", force=True)
        await host.heard("healed")
        assert list(await host.containers(client)) == [f"{host.name}-web-1"]


async def test_drift_by_hand_is_mended_at_once(there: tuple[Host, Engine]) -> None:
    host, client = there
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
        await client.containers.stop(f"{host.name}-web-1", grace_seconds=0)
        await host.heard("healed")
        assert (await client.containers.inspect(f"{host.name}-web-1"))["State"]["Running"]


async def test_with_heal_report_drift_is_told_and_left(there: tuple[Host, Engine]) -> None:
    host, client = there
    host.policy = "heal: report"
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
        await client.containers.remove(f"{host.name}-web-1", force=True)
        assert (await host.heard("drifted")).text == "service.web.1: it doesn't exist yet"
        state = await host.until(agent, lambda s: s.health is Health.MISSING)
        assert (state.sync, await host.containers(client)) == (Sync.OUT_OF_SYNC, {})


async def test_what_flaps_is_left_after_three_heals(there: tuple[Host, Engine]) -> None:
    host, client = there
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
        for count in (1, 2, 3):
            await client.containers.stop(f"{host.name}-web-1", grace_seconds=0)
            await host.heard("healed", count)
        await client.containers.stop(f"{host.name}-web-1", grace_seconds=0)
        state = await host.until(agent, lambda s: s.waiting is Waiting.BUDGET)
        assert "service.web.1 flaps: mended 3 times within 10 minutes" in state.reason
        orders.sync(agent, host.name)
        await host.heard("healed", 4)


async def test_a_project_that_leaves_the_repository_goes_and_its_volume_waits_for_a_word(
    there: tuple[Host, Engine],
) -> None:
    host, client = there
    volume = '    volumes: ["kept:/kept"]\nvolumes: {kept: }\n'
    host.source = "    discover: {pattern: '*/compose.yaml'}\n"
    host.commit(host.web())
    gone = f"gone-{host.name}"
    first = host.repository.commit({f"{gone}/compose.yaml": host.web(more=volume)})
    async with host.agent() as agent:
        await host.synced(agent, first)
        host.name = gone
        await host.synced(agent, first)
        host.repository.commit({f"{gone}/compose.yaml": None})
        state = await host.until(agent, lambda s: s.waiting is Waiting.APPROVAL)
        assert "volume.kept stays until" in state.reason and await host.containers(client) == {}
        assert [v["Name"] for v in await client.volumes.list() if v["Name"].startswith(gone)] == [f"{gone}_kept"]
        orders.approve(agent, gone, "a test")
        await host.heard("pruned")
        assert [v["Name"] for v in await client.volumes.list() if v["Name"].startswith(gone)] == []
        assert gone not in agent.desk.states


async def test_a_plan_over_the_configured_size_waits_for_approval(there: tuple[Host, Engine]) -> None:
    host, client = there
    host.policy = "approve_over: 1"
    first = host.commit(host.web())
    async with host.agent() as agent:
        state = await host.until(agent, lambda s: s.waiting is Waiting.APPROVAL)
        assert "2 changes, and more than 1 need an approval" in state.reason
        assert await host.containers(client) == {}
        orders.approve(agent, host.name, "a test")
        await host.synced(agent, first)


async def test_a_suspended_project_is_left_alone(there: tuple[Host, Engine]) -> None:
    host, _ = there
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
        orders.suspend(agent, host.name)
        second = host.commit(host.web("sleep 3"))
        state = await host.until(agent, lambda s: s.target == second and s.waiting is Waiting.SUSPENDED)
        assert state.synced == first
        orders.resume(agent, host.name)
        await host.synced(agent, second)
    host.policy = "suspend: true"
    async with host.agent() as agent:
        await host.until(agent, lambda s: s.suspended and s.waiting is Waiting.SUSPENDED)


async def test_an_agent_of_the_same_state_goes_on_where_another_ended(there: tuple[Host, Engine]) -> None:
    host, client = there
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
    before = await host.containers(client)
    second = host.commit(OTHER="x")
    async with host.agent() as agent:
        await host.synced(agent, second)
        assert await host.containers(client) == before


async def test_what_the_agent_brings_out_is_in_the_projects_history(there: tuple[Host, Engine]) -> None:
    host, client = there
    first = host.commit(host.web(), "first words")
    async with host.agent() as agent:
        await host.synced(agent, first)
        await host.synced(agent, host.commit(OTHER="changes nothing of the project"))
        await client.containers.remove(f"{host.name}-web-1", force=True)
        await host.heard("healed")
        state = await host.until(agent, lambda s: s.sync is Sync.SYNCED)
        releases = documents.releases(agent, state)
        commits = [(r.number, r.kind, r.state, r.commit) for r in reversed(releases)]
        assert commits[0] == (1, "up", "done", first), "a commit that changed nothing is no release"
        assert [c[:3] for c in commits] == [(1, "up", "done"), (2, "up", "done")]
        assert releases[0].command == f"rorqual agent: {host.name} at {state.synced[:12]}"


async def test_what_a_kept_release_mounts_stays_and_the_rest_goes(there: tuple[Host, Engine]) -> None:
    host, _ = there
    more = '    volumes: ["./site:/site:ro"]\n'
    async with host.agent() as agent:
        for number in range(3):
            await host.synced(agent, host.commit(host.web(more=more), app__site__index=str(number)))
        objects = agent.desk.places.objects
        assert len(objects.ids()) == 3
        (objects.folder / "0123456789abcdef0123456789abcdef01234567").mkdir()
        await host.synced(agent, host.commit(OTHER="x"))
        await host.synced(agent, host.commit(OTHER="y"))
        assert len(objects.ids()) == 3, "what no release has is gone, what one has is there"


async def test_somebody_elses_turn_at_the_project_is_waited_for(
    there: tuple[Host, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, client = there
    monkeypatch.setattr(look, "LOCK_SECONDS", 0.1)
    first = host.commit(host.web())
    terms, folder = LockTerms(1.0), host.folder / "locks"
    async with host.agent() as agent:
        async with project_lock(client, host.name, "rorqual up", terms, folder, lambda text: None):
            state = await host.until(agent, lambda s: "is locked by" in s.reason)
            assert (state.held, await host.containers(client)) == ({}, {})
        await host.synced(agent, first)


@pytest.mark.parametrize("policy", ["", "rollback: false"])
async def test_a_rollback_by_hand_holds_the_newest_revision_until_a_newer_one(
    there: tuple[Host, Engine], policy: str
) -> None:
    host, client = there
    host.policy = policy
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
        second = host.commit(host.web("sleep 2000"))
        await host.synced(agent, second)
        assert await orders.rollback(agent, host.name, None, "somebody") == first
        state = await host.until(agent, lambda s: s.synced == first and s.health is Health.HEALTHY)
        assert state.held == {second: "rolled back by somebody"}
        assert (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Cmd"] == ["sleep", "1000"]
        with pytest.raises(Conflict, match="no earlier healthy release"):
            await orders.rollback(agent, host.name, second, "somebody")
        await host.synced(agent, host.commit(host.web("sleep 3000")))
