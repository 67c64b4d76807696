"""The daemon killed at random moments of a workload, again and again; after each restart nothing may be lost or left.

`RORQUAL_CHAOS_ROUNDS` and `RORQUAL_CHAOS_SEED` change how often and in which order; `make chaos` kills it 200 times.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from engine.api.containers import ContainerCreate
from engine.api.errors import EngineError
from engine.client.session import Engine, open_client
from engine.daemon.protocols import MONITORS, Places
from engine.daemon.runtime import cgroups
from tests.engine.daemon.daemons import IMAGE, Daemon, running_daemon

pytestmark = [pytest.mark.root, pytest.mark.anyio, pytest.mark.slow]
ROUNDS = int(os.environ.get("RORQUAL_CHAOS_ROUNDS", "200" if os.environ.get("RORQUAL_CHAOS") else "20"))
SEED = int(os.environ.get("RORQUAL_CHAOS_SEED", "1"))
PATIENCE_SECONDS = 5.0
COUNTING = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done"


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with running_daemon() as daemon:
        yield daemon


def body(command: str, **host: object) -> ContainerCreate:
    made = {"Image": IMAGE, "Cmd": ["sh", "-c", command], "StopSignal": "SIGKILL", "HostConfig": host}
    return made  # type: ignore[return-value]


async def one_step(engine: Engine, chance: random.Random, number: int) -> None:
    """Something that changes the state; what is refused because of what another step did is no fault."""
    name = f"chaos-{chance.randrange(6)}"
    with suppress(EngineError):
        match chance.randrange(8):
            case 0 | 1:
                network = "chaos" if chance.random() < 0.5 else "none"
                asked = body("sleep 1000", NetworkMode=network, Binds=[f"vol-{number % 3}:/data"])
                await engine.containers.create(asked, name=name)
                await engine.containers.start(name)
            case 2:
                await engine.containers.start(name)
            case 3:
                await engine.containers.stop(name, grace_seconds=1)
            case 4:
                await engine.containers.remove(name, force=True, volumes=True)
            case 5:
                exec_id = await engine.exec.create(name, {"Cmd": ["true"]})
                await engine.exec.start_detached(exec_id)
            case 6:
                await engine.containers.restart(name, grace_seconds=1)
            case _:
                await engine.networks.create({"Name": "chaos"})
                await engine.images.tag(IMAGE, "chaos", str(number % 4))


async def work(daemon: Daemon, chance: random.Random) -> None:
    """Several clients at once, until the daemon is gone."""

    async def client(seed: int) -> None:
        own = random.Random(seed)
        with suppress(EngineError, OSError):
            async with open_client(daemon.target) as engine:
                for number in range(1000):
                    await one_step(engine, own, number)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(client, chance.randrange(1 << 30))
        await anyio.sleep(chance.uniform(0.05, 0.8))
        daemon.kill()


async def test_nothing_is_lost_and_nothing_is_left_however_the_daemon_dies(daemon: Daemon) -> None:
    chance = random.Random(SEED)
    async with open_client(daemon.target) as engine:
        await engine.containers.create(body(COUNTING), name="witness")
        await engine.containers.start("witness")
        pid = (await engine.containers.inspect("witness"))["State"]["Pid"]
        made = await engine.containers.create(body("sleep 0.3; exit 7"), name="code")
    for number in range(ROUNDS):
        async with open_client(daemon.target) as engine:
            await engine.containers.start(made["Id"])
        await work(daemon, chance)
        await anyio.sleep(0.3)
        daemon.start()
        async with open_client(daemon.target) as engine:
            where = f"round {number}, seed {SEED}"
            found = await engine.containers.inspect("witness")
            assert (found["State"]["Status"], found["State"]["Pid"]) == ("running", pid), where
            assert await engine.containers.wait("code") == 7, where
            await check_agreement(daemon, engine, where)
    async with open_client(daemon.target) as engine:
        await check_witness(engine)
        for container in await engine.containers.list(all=True):
            await engine.containers.remove(container["Id"], force=True, volumes=True)
        await engine.networks.prune()
    assert leftovers(daemon) == []


async def check_agreement(daemon: Daemon, engine: Engine, where: str) -> None:
    """What the API tells is what there is: processes, bundles, cgroups, snapshots."""
    known = {c["Id"]: c["State"] for c in await engine.containers.list(all=True)}
    running = {id for id, state in known.items() if state in ("running", "paused")}
    for id in known:
        state = (await engine.containers.inspect(id))["State"]
        assert alive(state["Pid"]) == (id in running), (where, id, state)
    bundles = await settled_bundles(daemon, {id[:24] for id in running})
    assert bundles == {id[:24] for id in running}, where
    assert cgroups_of(daemon) == running, where
    assert (await engine.system.check(mend=False))["Findings"] == [], where


async def settled_bundles(daemon: Daemon, expected: set[str]) -> set[str]:
    """The bundles that there are: a container's end is told a moment before its bundle goes."""
    with anyio.move_on_after(PATIENCE_SECONDS):
        while bundles_of(daemon) != expected:  # noqa: ASYNC110  # a folder's end has no event
            await anyio.sleep(0.02)
    return bundles_of(daemon)


def bundles_of(daemon: Daemon) -> set[str]:
    return {entry.name for entry in (daemon.folder / "run" / "c").iterdir()}


def alive(pid: int) -> bool:
    return pid > 0 and Path(f"/proc/{pid}").exists()


def cgroups_of(daemon: Daemon) -> set[str]:
    """The ids of the daemon's containers that have a cgroup."""
    places = Places(daemon.folder / "root", daemon.folder / "run", daemon.folder / "engine.sock")
    return cgroups.below(places.cgroup) - {MONITORS}


async def check_witness(engine: Engine) -> None:
    """Its log has no gap from its first line on."""
    await engine.containers.stop("witness")
    async with engine.containers.logs("witness") as frames:
        lines = b"".join([frame.data async for frame in frames]).decode().splitlines()
    assert lines == [str(number) for number in range(1, len(lines) + 1)]


def leftovers(daemon: Daemon) -> list[str]:
    run, root = daemon.folder / "run", daemon.folder / "root"
    places = [run / "c", run / "oci", run / "files", root / "containers", root / "snapshots"]
    return [str(entry) for place in places if place.is_dir() for entry in place.iterdir()]
