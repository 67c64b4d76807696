"""What goes wrong around the loop: it keeps the last good state, says what is wrong, and recovers by itself."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from engine.client.session import Engine
from engine.gitops.loop import orders
from engine.gitops.loop.look import Look
from engine.gitops.state.project import Health, Sync, Waiting
from engine.gitops.state.store import StateFault, Store
from engine.graph.address import Address, Kind
from engine.kit.clock import SystemClock
from engine.plan.observed import Observed
from engine.plan.options import PlanOptions
from engine.plan.steps import FieldChange, Plan, StartContainer, Step
from engine.reconcile.convergence import Convergence
from tests.engine.gitops.host import Host, hosting
from tests.engine.gitops.repository import make_repository
from tests.engines import RunningEngine, running_rorqual, short_folder

pytestmark = [pytest.mark.anyio, pytest.mark.root]


@pytest.fixture
async def there(rorqual_engine: RunningEngine, tmp_path: Path) -> AsyncIterator[tuple[Host, Engine]]:
    async with hosting(tmp_path, rorqual_engine, f"fault-{uuid4().hex[:8]}") as found:
        yield found


async def test_a_source_that_goes_and_comes_back(there: tuple[Host, Engine]) -> None:
    host, client = there
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
        away = host.repository.bare.with_name("away.git")
        shutil.move(host.repository.bare, away)
        assert "does not appear to be a git repository" in (await host.heard("source-failed")).text
        await client.containers.remove(f"{host.name}-web-1", force=True)
        await host.heard("healed")
        shutil.move(away, host.repository.bare)
        second = host.commit(host.web("sleep 2"))
        await host.heard("source-recovered")
        await host.synced(agent, second)
        assert len(host.kinds("source-failed")) == 1, "a fault is told once"


async def test_a_plan_that_is_never_empty_stops_the_loop_on_that_project(
    there: tuple[Host, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, client = there
    real = Look.plan

    def never_empty(self: Look, work: Convergence, options: PlanOptions, observed: Observed) -> Plan:
        """As for an engine that takes a field and doesn't keep it."""
        plan = real(self, work, options, observed)
        if not plan.empty:
            return plan
        (web,) = observed.containers
        change = FieldChange("environment.N", "1", "2")
        step = Step(1, Address(Kind.SERVICE, "web", 1), StartContainer(web.id), "environment changed", (change,))
        return plan._replace(steps=(step,))

    monkeypatch.setattr(Look, "plan", never_empty)
    host.commit(host.web())
    async with host.agent() as agent:
        state = await host.until(agent, lambda s: s.waiting is Waiting.HANDS)
        assert state.reason == "service.web.1: environment.N won't settle: '1' → '2'"
        assert (await host.heard("unsettled")).text.endswith(state.reason)
        monkeypatch.undo()
        orders.sync(agent, host.name)
        await host.until(agent, lambda s: s.sync is Sync.SYNCED)
        assert len(await host.containers(client)) == 1


async def test_waves_come_one_after_the_other(there: tuple[Host, Engine]) -> None:
    host, client = there
    host.policy = "after: [other]"
    host.source = "    discover: {pattern: 'other/compose.yaml'}\n"
    sick = '    healthcheck: {test: [CMD, "false"], interval: 200ms, retries: 1, start_period: 0s}\n'
    host.repository.commit({"other/compose.yaml": f"name: other-{host.name}\n{host.web(more=sick)}"})
    first = host.commit(host.web())
    async with host.agent() as agent:
        state = await host.until(agent, lambda s: s.waiting is Waiting.WAVE)
        assert state.reason.startswith("comes after other, which is ") and await host.containers(client) == {}
        await host.heard("failed")
        state = await host.until(agent, lambda s: "is held" in s.reason)
        assert "other, which is out-of-sync: " in state.reason and "unhealthy" in state.reason, "and why it isn't there"
        assert await host.containers(client) == {}, "the first wave isn't there"
        healthy = f"name: other-{host.name}\n{host.web()}"
        second = host.repository.commit({"other/compose.yaml": healthy})
        await host.synced(agent, second)
        assert first != second
    await client.containers.remove(f"other-{host.name}-web-1", force=True)
    await client.networks.remove(f"other-{host.name}_default")


async def test_outside_of_its_window_a_commit_waits_and_drift_is_mended(there: tuple[Host, Engine]) -> None:
    host, client = there
    first = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, first)
    host.policy = "windows: [{cron: '0 0 1 1 *', duration: 1s}]"
    second = host.commit(host.web("sleep 2"))
    async with host.agent() as agent:
        state = await host.until(agent, lambda s: s.target == second and s.waiting is Waiting.WINDOW)
        assert "the next window opens at" in state.reason and state.synced == first
        await client.containers.remove(f"{host.name}-web-1", force=True)
        await host.heard("healed")
        assert (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Cmd"] == ["sleep", "1000"]


async def test_a_source_declares_another_and_takes_it_back(there: tuple[Host, Engine], tmp_path: Path) -> None:
    host, client = there
    team = make_repository(tmp_path / "team")
    key = f"team-{host.name}"
    team.commit({f"{key}/compose.yaml": host.web()})
    host.source = "    more: sources.yaml\n"
    declared = f"sources: {{team: {{git: {team.bare}, interval: 200ms, discover: {{pattern: '*/compose.yaml'}}}}}}\n"
    host.repository.commit({"sources.yaml": declared, "app/compose.yaml": host.web()})
    async with host.agent() as agent:
        mine, host.name = host.name, key
        await host.until(agent, lambda s: s.sync is Sync.SYNCED and s.health is Health.HEALTHY)
        host.repository.commit({"sources.yaml": "sources: {}\n"})
        await host.heard("pruned")
        assert await host.containers(client) == {} and "team" not in agent.followings
        host.name = mine
        await host.until(agent, lambda s: s.sync is Sync.SYNCED)


async def test_a_revision_without_any_project_removes_nothing(there: tuple[Host, Engine]) -> None:
    host, client = there
    host.source = "    discover: {pattern: '*/compose.yaml'}\n"
    host.discovered = True
    first = host.commit(host.web())
    async with host.agent() as agent:
        host.name = "app"
        await host.synced(agent, first)
        host.repository.commit({"app/compose.yaml": None})
        assert "has no project at all" in (await host.heard("source-failed")).text
        assert list(await host.containers(client)) == ["app-web-1"]
        await client.containers.remove("app-web-1", force=True)
        await host.heard("healed")
    await client.containers.remove("app-web-1", force=True)
    await client.networks.remove("app_default")


async def test_a_state_that_cannot_be_written_is_told_and_nothing_is_begun_that_could_not_be_remembered(
    there: tuple[Host, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, client = there
    full = [True]
    save = Store.save

    def saved(self: Store, state: object) -> bool:
        if full[0]:
            raise StateFault("the agent's state can't be written: database or disk is full")
        return save(self, state)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "save", saved)
    monkeypatch.setattr("engine.gitops.loop.agent.SURPRISED_SECONDS", 0.1)
    first = host.commit(host.web())
    async with host.agent() as agent:
        state = await host.until(agent, lambda s: "disk is full" in s.reason)
        assert (state.held, await host.containers(client)) == ({}, {})
        full[0] = False
        await host.synced(agent, first)


async def test_what_crashes_soon_after_its_release_goes_back(there: tuple[Host, Engine]) -> None:
    host, client = there
    good = host.commit(host.web())
    async with host.agent() as agent:
        await host.synced(agent, good)
        bad = host.commit(host.web("sh -c 'sleep 0.4; exit 3'"))
        state = await host.until(agent, lambda s: bad in s.held and s.health is Health.HEALTHY)
        assert state.synced == good
        assert (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Cmd"] == ["sleep", "1000"]


async def test_an_engine_that_goes_and_comes_back(tmp_path: Path) -> None:
    with short_folder() as folder:
        engine = await anyio.to_thread.run_sync(started, folder)
        host = Host(tmp_path, engine[1], f"fault-{uuid4().hex[:8]}", make_repository(tmp_path / "r"))
        first = host.commit(host.web())
        async with host.agent() as agent:
            await host.synced(agent, first)
            await anyio.to_thread.run_sync(engine[0].close)
            second = host.commit(host.web("sleep 2"))
            state = await host.until(agent, lambda s: s.waiting is Waiting.RETRY and s.target == second)
            assert (state.held, state.synced, state.health) == ({}, first, Health.UNKNOWN)
            engine = await anyio.to_thread.run_sync(started, folder)
            await host.synced(agent, second)
        await anyio.to_thread.run_sync(engine[0].close)


async def test_a_full_disk_under_the_state_is_told_and_got_over(there: tuple[Host, Engine]) -> None:
    host, client = there
    first = host.commit(host.web())
    disk = host.folder / "state"
    disk.mkdir()
    await anyio.run_process(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)])
    try:
        async with host.agent() as agent:
            await host.synced(agent, first)
            filler = disk / "filler"
            fill(filler)
            second = host.commit(host.web("sleep 2"), film="x" * (1 << 16))
            told = (await host.heard("source-failed")).text
            assert "No space left on device" in told or "disk is full" in told
            assert (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Cmd"] == ["sleep", "1000"]
            filler.unlink()
            await host.synced(agent, second)
            await host.heard("source-recovered")
            assert (await client.containers.inspect(f"{host.name}-web-1"))["Config"]["Cmd"] == ["sleep", "2"]
    finally:
        await anyio.run_process(["umount", "--lazy", str(disk)])


async def test_a_pointer_of_git_lfs_is_told_by_name_and_what_stands_is_kept_up(there: tuple[Host, Engine]) -> None:
    host, client = there
    more = '    volumes: ["./site:/site:ro"]\n'
    first = host.commit(host.web(more=more), app__site__film="the film itself")
    async with host.agent() as agent:
        await host.synced(agent, first)
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3\n"
        host.commit(app__site__film=pointer)
        state = await host.until(agent, lambda s: s.waiting is Waiting.RETRY)
        assert "film is kept in Git LFS and its content is not here: install git-lfs and set lfs: true" in state.reason
        assert (state.synced, len(await host.containers(client))) == (first, 1)
        whole = host.commit(app__site__film="another film")
        await host.synced(agent, whole)


async def test_a_submodules_folder_is_mounted_as_the_commit_has_it(there: tuple[Host, Engine], tmp_path: Path) -> None:
    host, client = there
    other = make_repository(tmp_path / "other")
    other.commit({"conf/site.conf": "one"})
    host.repository.git("submodule", "add", "-q", str(other.bare), "app/parts")
    first = host.commit(host.web(more='    volumes: ["./parts/conf:/conf:ro"]\n'))

    async def mounted() -> str:
        found = await client.containers.inspect(f"{host.name}-web-1")
        (source,) = (mount["Source"] for mount in found["Mounts"])
        return await anyio.Path(source, "site.conf").read_text()

    async with host.agent() as agent:
        await host.synced(agent, first)
        assert await mounted() == "one"
        other.commit({"conf/site.conf": "two"})
        host.repository.git("submodule", "update", "-q", "--remote", "app/parts")
        await host.synced(agent, host.commit())
        assert await mounted() == "two"


def fill(file: Path) -> None:
    """Take all the space that there is."""
    with suppress(OSError), file.open("wb", buffering=0) as out:
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while out.write(b"x" * size):
                    pass


class Jumping(SystemClock):
    """The wall clock, set by hand; what is measured goes on as it does."""

    ahead_seconds = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_seconds


@pytest.mark.parametrize("days", [400, -400])
async def test_a_clock_that_jumps_holds_nothing_up_and_heals_go_on(there: tuple[Host, Engine], days: int) -> None:
    host, client = there
    clock = Jumping()
    first = host.commit(host.web())
    async with host.agent(clock) as agent:
        await host.synced(agent, first)
        for number in range(2):
            await client.containers.remove(f"{host.name}-web-1", force=True)
            await host.heard("healed", number + 1)
        clock.ahead_seconds = days * 86400.0
        await client.containers.remove(f"{host.name}-web-1", force=True)
        await host.heard("healed", 3)
        second = host.commit(host.web("sleep 2"))
        state = await host.synced(agent, second)
        assert state.held == {}
        bad = host.commit(host.web("sh -c 'exit 3'"))
        clock.ahead_seconds = 0.0
        state = await host.until(agent, lambda s: bad in s.held and s.health is Health.HEALTHY)
        assert state.synced == second


def started(folder: Path) -> tuple[ExitStack, RunningEngine]:
    stack = ExitStack()
    return stack, stack.enter_context(running_rorqual(folder))


async def test_a_secret_that_a_probe_prints_is_in_no_event_state_or_history(there: tuple[Host, Engine]) -> None:
    host, _ = there
    planted = "pl4nted-v4lue"
    more = (
        f"    environment: {{DB_PASSWORD: {planted}}}\n"
        "    healthcheck: {test: [CMD-SHELL, 'echo it is $$DB_PASSWORD; exit 1'], interval: 200ms, retries: 1, "
        "start_period: 0s}\n"
    )
    host.commit(host.web("sh -c 'echo $$DB_PASSWORD; sleep 1000'", more=more))
    async with host.agent() as agent:
        event = await host.heard("failed")
        assert "last health probe exited with 1: it is" in event.text and planted not in event.text
        state = await host.until(agent, lambda s: s.waiting is Waiting.NEWER)
        assert planted not in str(state.document())
        ledger = agent.desk.folder
    files = [path for place in (host.folder / "state/state", ledger) for path in place.rglob("*") if path.is_file()]
    assert files and [path for path in files if planted.encode() in path.read_bytes()] == []
