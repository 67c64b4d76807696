"""Load: many containers, starts and ends without pause, log followers and execs at once; nothing of it stays behind.

A twentieth in `make test`; whole under RORQUAL_CHAOS=1 (200 containers, 1,000 cycles, 100 followers, 50 execs at once).
`-s` prints the figures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from engine.api.containers import ContainerCreate
from engine.client.session import Engine, open_client
from tests.engine.daemon.daemons import IMAGE, Daemon, running_daemon

pytestmark = [pytest.mark.root, pytest.mark.anyio, pytest.mark.slow]
WHOLE = bool(os.environ.get("RORQUAL_CHAOS"))
CONTAINERS, CYCLES, FOLLOWERS, EXECS = (200, 1000, 100, 50) if WHOLE else (12, 60, 8, 8)
# Two hundred shells that each begin a process now and then are a load of their own.
PAUSE = 2 if WHOLE else 0.2
# The clients' side: what one connection's limit would else make wait.
AT_ONCE = 16
# Python gives memory back in pages: what may come on top of a warm daemon's, whatever is done with it.
GROWTH_BYTES = 16 << 20
# The event loop's and its workers', who stay for a while.
MOST_THREADS = 48
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Held:
    """What the daemon's process holds."""

    files: int
    threads: int
    bytes: int


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with running_daemon() as daemon:
        yield daemon


def held(daemon: Daemon) -> Held:
    place = Path(f"/proc/{daemon.pid}")
    pages = int((place / "statm").read_text().split()[1])
    files, threads = len(list((place / "fd").iterdir())), len(list((place / "task").iterdir()))
    return Held(files, threads, pages * os.sysconf("SC_PAGESIZE"))


def body(command: str) -> ContainerCreate:
    return {
        "Image": IMAGE,
        "Cmd": ["sh", "-c", command],
        "StopSignal": "SIGKILL",
        "HostConfig": {"NetworkMode": "load"},
    }


async def cycle(engine: Engine, number: int, limit: anyio.CapacityLimiter) -> None:
    """A container of one line, from its create to its removal; its code and its log are right."""
    async with limit:
        asked = body(f"echo {number}; exit {number % 100}")
        made = (await engine.containers.create(asked, name=f"cycle-{number}"))["Id"]
        await engine.containers.start(made)
        assert await engine.containers.wait(made) == number % 100
        async with engine.containers.logs(made, tty=False) as frames:
            assert b"".join([frame.data async for frame in frames]) == b"%d\n" % number
        await engine.containers.remove(made)


async def follow(engine: Engine, name: str, enough: int, done: list[int]) -> None:
    """Its lines as they come, without a gap."""
    async with engine.containers.logs(name, follow=True, tty=False) as frames:
        text = b""
        async for frame in frames:
            text += frame.data
            if text.count(b"\n") >= enough:
                break
    lines = text.decode().splitlines()[:enough]
    assert lines == [str(line) for line in range(1, enough + 1)]
    done.append(1)


async def execute(engine: Engine, name: str, number: int) -> None:
    made = await engine.exec.create(name, {"Cmd": ["sh", "-c", f"echo {number}; exit 3"], "AttachStdout": True})
    async with engine.exec.start(made) as stream:
        assert b"".join([frame.data async for frame in stream]) == b"%d\n" % number
    with anyio.fail_after(PATIENCE_SECONDS):
        while (found := await engine.exec.inspect(made))["Running"]:  # noqa: ASYNC110  # it is another process' end
            await anyio.sleep(0.02)
    assert found["ExitCode"] == 3


async def everything(daemon: Daemon, first: int, cycles: int) -> None:
    """Followers and execs on containers that run, while others begin and end; then all its connections are closed."""
    limit, done = anyio.CapacityLimiter(AT_ONCE), list[int]()
    async with open_client(daemon.target) as engine, anyio.create_task_group() as tasks:
        for number in range(FOLLOWERS):
            tasks.start_soon(follow, engine, f"load-{number % CONTAINERS}", 20, done)
        for number in range(EXECS):
            tasks.start_soon(execute, engine, f"load-{number % CONTAINERS}", number)
        for number in range(first, first + cycles):
            tasks.start_soon(cycle, engine, number, limit)
    assert len(done) == FOLLOWERS


async def start(engine: Engine, name: str) -> None:
    counting = f"i=0; while :; do i=$((i+1)); echo $i; sleep {PAUSE}; done"
    await engine.containers.create(body(counting), name=name)
    await engine.containers.start(name)


async def remove(engine: Engine, name: str) -> None:
    await engine.containers.remove(name, force=True)


async def with_all(daemon: Daemon, what: Callable[[Engine, str], Awaitable[None]]) -> float:
    """Seconds; the connections are closed again."""
    limit, began = anyio.CapacityLimiter(AT_ONCE), time.monotonic()

    async def one(name: str) -> None:
        async with limit:
            await what(engine, name)

    async with open_client(daemon.target) as engine, anyio.create_task_group() as tasks:
        for number in range(CONTAINERS):
            tasks.start_soon(one, f"load-{number}")
    return time.monotonic() - began


async def test_load_leaves_no_file_no_thread_no_memory_and_no_container_behind(daemon: Daemon) -> None:
    async with open_client(daemon.target) as engine:
        await engine.networks.create({"Name": "load"})
        empty = await settled(daemon)
        took = await with_all(daemon, start)
        print(f"\n{CONTAINERS} containers started in {took:.1f} s")
        # Once to be warm: what is kept once and for all is no leak.
        await everything(daemon, 0, CYCLES // 10)
        warm, began = await settled(daemon), time.monotonic()
        await everything(daemon, CYCLES // 10, CYCLES)
        print(f"{CYCLES} cycles, {FOLLOWERS} followers, {EXECS} execs: {time.monotonic() - began:.1f} s")
        after = await settled(daemon)
        print(f"removed in {await with_all(daemon, remove):.1f} s")
        await engine.networks.remove("load")
        gone = await settled(daemon)
        print(f"empty {empty}\nwarm {warm}\nafter {after}\ngone {gone}")
        assert after.files <= warm.files + 2 and after.threads <= MOST_THREADS
        assert after.bytes - warm.bytes < GROWTH_BYTES
        # the steward's line stays open
        assert gone.files <= empty.files + 2
        assert (await engine.system.check(mend=False))["Findings"] == []


async def settled(daemon: Daemon) -> Held:
    """What it holds once connections of clients that left are closed, and their streams with them."""
    before, since = held(daemon), time.monotonic()
    with anyio.move_on_after(PATIENCE_SECONDS):
        while time.monotonic() - since < 1.0:
            await anyio.sleep(0.1)
            now = held(daemon)
            if now.files != before.files:
                since = time.monotonic()
            before = now
    return before
