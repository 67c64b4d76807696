"""One writer a project: a lock that every client of the same engine sees, wherever it runs.

The lock is a volume. `POST /volumes/create` with a name that exists answers with the first owner's labels, on Docker,
Podman and our own engine: so whoever reads its own nonce back is the owner. It bears no label of the project, and so
is none of its volumes. An owner that died leaves it; another process of the same host can prove that and takes over,
anyone else has to be told to (`--break-lock`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import anyio

from engine.api.errors import EngineError, NotFound, Timeout
from engine.client.session import Engine
from engine.kit.owner import Owner, provably_gone, this_process
from engine.plan.lower.naming import OURS

LABEL = f"{OURS}lock."
PLAIN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,200}")
# How often a lock that another has is looked at.
SHORTEST, LONGEST = 0.1, 1.0


class LockTaken(Timeout):
    """Another has the lock, and had it until the time was over."""


class LockTerms(NamedTuple):
    """How long to wait for another to end; `breaking` takes the lock from whoever has it."""

    timeout_seconds: float = 60.0
    breaking: bool = False


class Holder(NamedTuple):
    """Who has a lock, as its labels say; `since` in Unix seconds."""

    owner: Owner
    nonce: str
    command: str
    since: float

    def __str__(self) -> str:
        return f"{self.owner}, running `{self.command}` for {age(time.time() - self.since)}"


@asynccontextmanager
async def project_lock(
    engine: Engine, project: str, command: str, terms: LockTerms, folder: Path, say: Callable[[str], None]
) -> AsyncIterator[None]:
    """Hold the project's lock. `folder` is this machine's state, where takers on one host take turns.

    Raises LockTaken, naming the owner, when it isn't had in time.
    """
    name = lock_name(project)
    mine = Holder(this_process(), secrets.token_hex(16), command, time.time())
    try:
        # inside the try: a cancel may land after the volume was made
        await acquire(engine, project, mine, terms, folder, say)
        yield
    finally:
        with anyio.move_on_after(10, shield=True), suppress(EngineError):
            if (holder := await holder_of(engine, name)) is not None and holder.nonce == mine.nonce:
                await engine.volumes.remove(name)


async def acquire(
    engine: Engine, project: str, mine: Holder, terms: LockTerms, folder: Path, say: Callable[[str], None]
) -> None:
    name, deadline = lock_name(project), time.monotonic() + terms.timeout_seconds
    pause, told, breaking = SHORTEST, "", terms.breaking
    while (holder := await claim(engine, name, mine)) is not None:
        if breaking or provably_gone(holder.owner):
            breaking = False
            why = "--break-lock" if not provably_gone(holder.owner) else "that process has ended"
            say(f"taking over the lock of project {project} from {holder}: {why}")
            async with taking_turns(folder, name):
                # asked again inside: another may have taken over in between
                now = await holder_of(engine, name)
                if now is not None and now.nonce == holder.nonce:
                    await remove(engine, name)
                if await claim(engine, name, mine) is None:
                    return
            continue
        if time.monotonic() >= deadline:
            raise LockTaken(
                f"project {project} is locked by {holder}: wait for it (--lock-timeout SECONDS), or if you know that "
                "it is gone, take the lock with --break-lock"
            )
        if told != holder.nonce:
            say(f"waiting for the lock of project {project}: {holder}")
            told = holder.nonce
        await anyio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(LONGEST, pause * 1.5)


async def claim(engine: Engine, name: str, mine: Holder) -> Holder | None:
    """None where the lock is now ours, else who has it."""
    made = await engine.volumes.create({"Name": name, "Labels": labels_of(mine)})
    found = read_holder(made.get("Labels") or {})
    return None if found.nonce == mine.nonce else found


async def holder_of(engine: Engine, name: str) -> Holder | None:
    try:
        return read_holder((await engine.volumes.inspect(name)).get("Labels") or {})
    except NotFound:
        return None


async def remove(engine: Engine, name: str) -> None:
    with suppress(NotFound):
        await engine.volumes.remove(name)


@asynccontextmanager
async def taking_turns(folder: Path, name: str) -> AsyncIterator[None]:
    """Removing a dead owner's lock and making one's own are two calls: on one host one taker at a time does them.

    Takers may be tasks of one process (an agent with a project of that name on two engines): none blocks the others.
    """
    places = folder / "locks"
    try:
        places.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(places / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        # a state that can't be written: any place that all takers share will do
        handle = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await anyio.sleep(SHORTEST)
        yield
    finally:
        os.close(handle)


def lock_name(project: str) -> str:
    """The volume's name; a project whose name can't be part of one is named by its digest."""
    if PLAIN.fullmatch(project):
        return f"rorqual-lock-{project}"
    return f"rorqual-lock-{hashlib.sha256(project.encode()).hexdigest()[:32]}"


def labels_of(holder: Holder) -> dict[str, str]:
    rest = {"nonce": holder.nonce, "command": holder.command, "since": f"{holder.since:.3f}"}
    return {f"{LABEL}{key}": value for key, value in {**holder.owner._asdict(), **rest}.items()}


def read_holder(labels: Mapping[str, str]) -> Holder:
    """A volume of that name that bears no such labels has an owner that nobody knows, and that is never gone."""

    def text(key: str) -> str:
        return labels.get(f"{LABEL}{key}", "")

    owner = Owner(**{key: text(key) for key in Owner._fields})
    try:
        since = float(text("since"))
    except ValueError:
        since = time.time()
    return Holder(owner, text("nonce"), text("command"), since)


def age(seconds: float) -> str:
    """`7 s`, `12 min`, `3 h`, `2 days`."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
