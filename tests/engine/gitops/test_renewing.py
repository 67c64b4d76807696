"""agent.yaml read again while the agent runs: by SIGHUP and by itself, and never worse than before."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from engine.gitops.loop import orders, renewing
from engine.gitops.loop.agent import Agent
from engine.gitops.loop.open import open_agent
from engine.gitops.loop.renewing import keep_settings
from engine.gitops.settings.read import read_settings
from engine.gitops.state.project import Sync
from tests.engine.gitops.repository import Repository, make_repository

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 30.0


def text(folder: Path, *names: str, more: str = "") -> str:
    sources = "".join(
        f"  {name}: {{git: {folder}/r/origin.git, interval: 1h, projects: {{p-{name}: {{path: app}}}}}}\n"
        for name in names
    )
    return (
        f"state: {folder}/state\nengine: {{host: 'unix://{folder}/no-engine.sock'}}\n{more}sources:\n{sources}"
        if names
        else "sources: {}\n"
    )


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Agent, Path, Repository]]:
    repository = make_repository(folder / "r")
    repository.commit({"app/compose.yaml": "services: {web: {image: x}}\n"})
    config = folder / "agent.yaml"
    config.write_text(text(folder, "one"))
    async with open_agent(read_settings(config)[0]) as agent, anyio.create_task_group() as tasks:
        tasks.start_soon(agent.run)
        tasks.start_soon(keep_settings, agent, config)
        await until(lambda: "p-one" in agent.desk.roster.targets)
        yield agent, config, repository
        agent.stop()
        tasks.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            if condition():
                return
            await anyio.sleep(0.01)


def said(agent: Agent, kind: str) -> list[str]:
    return [event.text for event in agent.desk.store.events() if event.kind == kind]


async def test_a_new_source_is_followed_and_one_that_is_named_no_more_is_left_as_it_is(tmp_path: Path) -> None:
    async with running(tmp_path) as (agent, config, _):
        config.write_text(text(tmp_path, "one", "two", more="parallel: 2\n"))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: "p-two" in agent.desk.roster.targets)
        assert said(agent, "settings")[-1].endswith("parallel: new values count at the next start; new: two")
        config.write_text(text(tmp_path, "two", more="parallel: 2\n"))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: list(agent.desk.roster.targets) == ["p-two"])
        state = agent.desk.states["p-one"]
        told = "agent.yaml names neither it nor its source one any more: it is left as it is"
        await until(lambda: (state.sync, state.reason) == (Sync.UNKNOWN, told))
        assert not state.removed


async def test_a_changed_policy_counts_without_a_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewing, "POLL_SECONDS", 0.02)
    async with running(tmp_path) as (agent, config, _):
        config.write_text(text(tmp_path, "one", more="defaults: {suspend: true}\n"))
        await until(lambda: agent.desk.states["p-one"].suspended)
        assert said(agent, "settings")[-1].endswith("changed: one")


async def test_what_is_wrong_is_told_with_its_place_and_what_was_read_before_stays(tmp_path: Path) -> None:
    async with running(tmp_path) as (agent, config, repository):
        before = agent.settings
        config.write_text(config.read_text().replace("interval: 1h", "intervall: 1h"))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: bool(said(agent, "settings-failed")))
        (told,) = said(agent, "settings-failed")
        assert "agent.yaml:4" in told and "intervall" in told and "stay in force" in told
        assert agent.settings is before
        new = repository.commit({"README": "1"})
        orders.sync(agent, "p-one")
        await until(lambda: agent.desk.states["p-one"].target == new)
        config.unlink()
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: len(said(agent, "settings-failed")) == 2)
        assert "No such file" in said(agent, "settings-failed")[-1] and agent.settings is before
