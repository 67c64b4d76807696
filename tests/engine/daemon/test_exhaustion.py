"""What a machine runs out of: disk, processes, the right to write. It is said, what runs goes on, and afterwards all is
well.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from engine.api.container_config import HealthConfig
from engine.api.containers import ContainerCreate
from engine.api.errors import EngineError
from engine.client.session import Engine, open_client
from engine.daemon.runtime import cgroups
from tests.engine.daemon.daemons import IMAGE, Daemon, running_daemon
from tests.engines import load_image, needs

pytestmark = [pytest.mark.root, pytest.mark.anyio]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with running_daemon() as daemon:
        yield daemon


def body(*command: str) -> ContainerCreate:
    return {"Image": IMAGE, "Cmd": list(command), "StopSignal": "SIGKILL", "HostConfig": {"NetworkMode": "none"}}


async def started(engine: Engine, name: str, *command: str) -> int:
    await engine.containers.create(body(*command), name=name)
    await engine.containers.start(name)
    return (await engine.containers.inspect(name))["State"]["Pid"]


async def check_all_is_well(engine: Engine, pid: int) -> None:
    """What ran still runs, something new runs and ends, and nothing lies about."""
    state = (await engine.containers.inspect("witness"))["State"]
    assert (state["Status"], state["Pid"]) == ("running", pid)
    await started(engine, "after", "sh", "-c", "exit 7")
    assert await engine.containers.wait("after") == 7
    await engine.containers.remove("after")
    await engine.containers.remove("witness", force=True)
    assert await engine.containers.list(all=True) == []
    assert (await engine.system.check(mend=False))["Findings"] == []


@contextmanager
def on_a_small_disk(daemon: Daemon) -> Iterator[Path]:
    """The daemon's root on 48 MB of its own."""
    daemon.stop()
    root = daemon.folder / "root"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(root)], check=True)
    daemon.start()
    try:
        yield root
    finally:
        daemon.stop()
        subprocess.run(["umount", str(root)], check=True)
        daemon.start()


def test_on_a_full_disk_creates_are_refused_what_runs_goes_on_and_can_be_removed(daemon: Daemon) -> None:
    async def run(root: Path) -> None:
        async with open_client(daemon.target) as engine:
            pid = await started(engine, "witness", "sleep", "1000")
            await started(engine, "other", "sleep", "1000")
            fill(root)
            with pytest.raises(EngineError, match=r"No space left on device|disk is full"):
                for number in range(200):
                    await engine.containers.create(body("true"), name=f"full-{number}")
            assert (await engine.containers.inspect("witness"))["State"]["Pid"] == pid
            assert await engine.containers.list() != []
            await engine.containers.remove("other", force=True)
            (root / "filling").unlink()
            for container in await engine.containers.list(all=True):
                if container["State"] == "created":
                    await engine.containers.remove(container["Id"])
            await check_all_is_well(engine, pid)

    with on_a_small_disk(daemon) as root:
        anyio.run(load_image, daemon.engine)
        anyio.run(run, root)


def fill(root: Path) -> None:
    with (root / "filling").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass


async def test_where_the_state_can_not_be_written_it_is_said_and_what_runs_goes_on(daemon: Daemon) -> None:
    folders = [daemon.folder / "root" / name for name in ("snapshots", "volumes")]
    async with open_client(daemon.target) as engine:
        pid = await started(engine, "witness", "sleep", "1000")
        with immutable(folders):
            with pytest.raises(EngineError, match=r"root/snapshots/.*Operation not permitted"):
                await engine.containers.create(body("true"), name="refused")
            with pytest.raises(EngineError, match="create refused: Operation not permitted"):
                await engine.volumes.create({"Name": "refused"})
            assert (await engine.containers.inspect("witness"))["State"]["Pid"] == pid
        await check_all_is_well(engine, pid)


@contextmanager
def immutable(folders: list[Path]) -> Iterator[None]:
    """Not even root can write there."""
    needs("chattr")
    subprocess.run(["chattr", "+i", *map(str, folders)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *map(str, folders)], check=True)


async def test_without_processes_to_be_had_a_start_is_refused_and_the_rest_is_answered(daemon: Daemon) -> None:
    place = cgroups.folder("pids", f"rorqual-test-pids-{os.getpid()}")
    if place is None:
        pytest.skip("this kernel counts no processes")
    async with open_client(daemon.target) as engine:
        pid = await started(engine, "witness", "sleep", "1000")
        await engine.containers.create(body("true"), name="refused")
        place.mkdir()
        try:
            (place / "cgroup.procs").write_text(str(daemon.pid))
            (place / "pids.max").write_text("1")
            for _ in range(3):
                with pytest.raises(EngineError, match="no more processes can be begun"):
                    await engine.containers.start("refused")
            assert (await engine.containers.inspect("witness"))["State"]["Pid"] == pid
            assert len(await engine.containers.list(all=True)) == 2
            (place / "pids.max").write_text("max")
            await engine.containers.remove("refused")
            await check_all_is_well(engine, pid)
        finally:
            (place.parent / "cgroup.procs").write_text(str(daemon.pid))
            place.rmdir()


async def test_without_processes_to_be_had_probes_restarts_and_ends_fail_and_the_engine_lives_on(
    daemon: Daemon,
) -> None:
    place = cgroups.folder("pids", f"rorqual-test-lone-{os.getpid()}")
    if place is None:
        pytest.skip("this kernel counts no processes")
    often = 100_000_000
    check: HealthConfig = {"Test": ["CMD", "true"], "Interval": often, "Timeout": 10**10, "Retries": 1}
    async with open_client(daemon.target) as engine:
        pid = await started(engine, "witness", "sleep", "1000")
        await engine.containers.create({**body("sleep", "1000"), "Healthcheck": check}, name="probed")
        await engine.containers.start("probed")
        again: ContainerCreate = {**body("sleep", "0.2"), "StopSignal": "SIGKILL"}
        again["HostConfig"] = {"NetworkMode": "none", "RestartPolicy": {"Name": "always"}}
        await engine.containers.create(again, name="again")
        await engine.containers.start("again")
        await until_it_is(engine, "probed", "healthy")
        place.mkdir()
        try:
            (place / "cgroup.procs").write_text(str(daemon.pid))
            (place / "pids.max").write_text("1")
            await until_it_is(engine, "probed", "unhealthy")
            await until_it_is(engine, "again", "restarting")
            (place / "pids.max").write_text("max")
            await until_it_is(engine, "probed", "healthy")
            await until_it_is(engine, "again", "running")
            for name in ("probed", "again"):
                await engine.containers.remove(name, force=True)
            await check_all_is_well(engine, pid)
        finally:
            (place.parent / "cgroup.procs").write_text(str(daemon.pid))
            place.rmdir()


async def until_it_is(engine: Engine, name: str, word: str) -> None:
    with anyio.fail_after(60):
        while True:
            state = (await engine.containers.inspect(name))["State"]
            if word in (state["Status"], (state.get("Health") or {}).get("Status")):
                return
            await anyio.sleep(0.05)
