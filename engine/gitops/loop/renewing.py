"""agent.yaml read again, at SIGHUP or when it has changed: what is new in it counts at once; what is wrong with it is
told, and what was read before stays in force.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import anyio

from engine.gitops.loop.agent import Agent
from engine.gitops.loop.prune import let_be
from engine.gitops.settings.models import Settings
from engine.gitops.settings.read import read_settings
from specs.source import SpecInvalid

POLL_SECONDS = 2.0


async def keep_settings(agent: Agent, file: Path) -> None:
    """Until cancelled."""
    asked = anyio.Event()

    async def listen() -> None:
        nonlocal asked
        with anyio.open_signal_receiver(signal.SIGHUP) as signals:
            async for _ in signals:
                asked.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        seen = mark_of(file)
        while True:
            with anyio.move_on_after(POLL_SECONDS):
                await asked.wait()
            if asked.is_set() or mark_of(file) != seen:
                asked, seen = anyio.Event(), mark_of(file)
                read_again(agent, file)


def mark_of(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:
        return ()
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def read_again(agent: Agent, file: Path) -> None:
    """Never raises: a file that is being written is read once more when it is whole."""
    try:
        settings, _ = read_settings(file)
    except SpecInvalid as error:
        told = f"{error.brief}; the settings that were read before stay in force"
        agent.desk.bus.tell("settings-failed", "", "", told)
        return
    words = [*left_out(agent.settings, settings), *renew(agent, settings)]
    agent.desk.bus.tell("settings", "", "", f"{file} was read again: {'; '.join(words) or 'nothing has changed'}")


def renew(agent: Agent, settings: Settings) -> Iterator[str]:
    """Follow what the settings name now. Says what has changed; nothing goes from the host for it."""
    old = {source.name: source for source in agent.settings.sources}
    new = {source.name: source for source in settings.sources}
    # what sources declare has the defaults of here
    others = settings.defaults != agent.settings.defaults
    agent.settings = settings
    for name in old.keys() - new.keys():
        forsake(agent, name)
    changed = {name for name in old.keys() & new.keys() if old[name] != new[name] or (others and new[name].more)}
    for name in changed:
        agent.unfollow(name)
    for name in [*changed, *(new.keys() - old.keys())]:
        agent.follow(new[name])
    for word, names in (("no more", old.keys() - new.keys()), ("new", new.keys() - old.keys()), ("changed", changed)):
        if names:
            yield f"{word}: {', '.join(sorted(names))}"


def forsake(agent: Agent, name: str) -> None:
    """As after a restart without that source: its projects are left as they are."""
    for each in [name, *(child for child, parent in agent.declared_by.items() if parent == name)]:
        agent.unfollow(each)
        agent.desk.roster.update(each, ())
        for state in agent.desk.states.values():
            if state.source == each:
                agent.leaving.discard(state.key)
                let_be(state)
                agent.desk.store.save(state)
                # a look that is under way has words of its own
                agent.queue.add(state.key)


def left_out(old: Settings, new: Settings) -> Iterator[str]:
    """What counts at the next start only."""
    listen = [each.api.listen if each.api else () for each in (old, new)]
    pairs = {
        "state": (old.state, new.state),
        "parallel": (old.parallel, new.parallel),
        "api.listen": (listen[0], listen[1]),
    }
    if names := [name for name, (was, now) in pairs.items() if was != now]:
        yield f"{', '.join(names)}: new values count at the next start"
