"""What a killed daemon, and a machine that went down, leave; and what the next daemon makes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from engine.api.container_config import RestartPolicy
from engine.api.containers import ContainerCreate
from engine.client.session import Engine, open_client
from tests.engine.daemon.daemons import IMAGE, Daemon, running_daemon

pytestmark = [pytest.mark.root, pytest.mark.anyio]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with running_daemon() as daemon:
        yield daemon


def body(script: str, policy: str = "no", **host: object) -> ContainerCreate:
    restart: RestartPolicy = {"Name": policy}  # type: ignore[typeddict-item]
    made = {
        "Image": IMAGE,
        "Cmd": ["sh", "-c", script],
        "StopSignal": "SIGKILL",
        "HostConfig": {"RestartPolicy": restart, **host},
    }
    return made  # type: ignore[return-value]


async def run(engine: Engine, name: str, asked: ContainerCreate) -> str:
    created = await engine.containers.create(asked, name=name)
    await engine.containers.start(created["Id"])
    return created["Id"]


async def log_of(engine: Engine, name: str) -> list[str]:
    async with engine.containers.logs(name) as frames:
        return b"".join([frame.data async for frame in frames]).decode().splitlines()


async def until_running(engine: Engine, name: str, seconds: float = 10) -> int:
    """Its pid, once it runs."""
    with anyio.fail_after(seconds):
        while True:
            state = (await engine.containers.inspect(name))["State"]
            if state["Status"] == "running":
                return state["Pid"]
            await anyio.sleep(0.02)


async def until_none(engine: Engine, name: str) -> bool:
    """Whether it goes away within moments."""
    for _ in range(200):
        if not await engine.containers.list(all=True, filters={"name": name}):
            return True
        await anyio.sleep(0.05)
    return False


async def test_containers_outlive_a_killed_daemon_with_their_logs_and_exit_codes(daemon: Daemon) -> None:
    counting = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done"
    async with open_client(daemon.target) as engine:
        await run(engine, "counting", body(counting))
        await run(engine, "ending", body("sleep 0.5; exit 9"))
        await run(engine, "frozen", body("sleep 1000"))
        await engine.containers.pause("frozen")
        pid = (await engine.containers.inspect("counting"))["State"]["Pid"]
    daemon.kill()
    await anyio.sleep(1)
    daemon.start()
    async with open_client(daemon.target) as engine:
        found = await engine.containers.inspect("counting")
        assert (found["State"]["Status"], found["State"]["Pid"]) == ("running", pid)
        ended = (await engine.containers.inspect("ending"))["State"]
        assert (ended["Status"], ended["ExitCode"], ended["Error"]) == ("exited", 9, "")
        assert (await engine.containers.inspect("frozen"))["State"]["Status"] == "paused"
        await engine.containers.unpause("frozen")
        await engine.containers.stop("counting")
        lines = await log_of(engine, "counting")
        assert lines == [str(number) for number in range(1, len(lines) + 1)]
        assert len(lines) > 50
        assert await engine.containers.wait("counting") == 137


async def test_policies_are_honoured_when_the_daemon_comes_back(daemon: Daemon) -> None:
    async with open_client(daemon.target) as engine:
        await run(engine, "again", body("sleep 0.4; exit 3", "always"))
        await run(engine, "gone", {**body("sleep 0.4"), "HostConfig": {"AutoRemove": True}})
        await run(engine, "stopped", body("sleep 1000", "unless-stopped"))
        await engine.containers.stop("stopped")
    daemon.kill()
    await anyio.sleep(0.6)
    daemon.start()
    async with open_client(daemon.target) as engine:
        await until_running(engine, "again")
        assert (await engine.containers.inspect("again"))["RestartCount"] >= 1
        assert (await engine.containers.inspect("stopped"))["State"]["Status"] == "exited"
        assert await until_none(engine, "gone")


async def test_after_a_reboot_policies_bring_back_what_ran(daemon: Daemon) -> None:
    async with open_client(daemon.target) as engine:
        for policy in ("always", "unless-stopped", "on-failure", "no"):
            await run(engine, f"with-{policy}", body("sleep 1000", policy))
        await run(engine, "put-away", body("sleep 1000", "unless-stopped"))
        await engine.containers.stop("put-away")
    daemon.reboot()
    daemon.start()
    async with open_client(daemon.target) as engine:
        for policy in ("always", "unless-stopped"):
            await until_running(engine, f"with-{policy}")
        for name in ("with-on-failure", "with-no", "put-away"):
            assert (await engine.containers.inspect(name))["State"]["Status"] == "exited"
        assert (await engine.containers.inspect("with-no"))["State"]["ExitCode"] == 255


def host_mounts() -> str:
    return Path("/proc/self/mounts").read_text()


def leftovers(daemon: Daemon) -> list[str]:
    """What lies in the folders of things that live or are made."""
    run, root = daemon.folder / "run", daemon.folder / "root"
    places = [run / "c", run / "oci", run / "files", run / "x", root / "containers", root / "snapshots"]
    return [str(entry) for place in places if place.is_dir() for entry in place.iterdir()]


async def test_nothing_is_left_of_what_was_removed(daemon: Daemon) -> None:
    async with open_client(daemon.target) as engine:
        id = await run(engine, "passing", body("sleep 1000", IpcMode="shareable"))
        assert any(id[:12] in place for place in leftovers(daemon))
        await engine.containers.remove(id, force=True, volumes=True)
    assert leftovers(daemon) == []
    assert id not in host_mounts()


async def test_a_killed_monitor_is_told_as_such_and_the_container_goes_on(daemon: Daemon) -> None:
    async with open_client(daemon.target) as engine:
        id = await run(engine, "orphan", body("sleep 1000"))
        monitor = int((daemon.folder / "run" / "c" / id[:24] / "conmon.pid").read_text())
        os.kill(monitor, 9)
        await anyio.sleep(0.3)
        assert (await engine.containers.inspect("orphan"))["State"]["Status"] == "running"
        await engine.containers.kill("orphan")
        state = (await engine.containers.inspect("orphan"))["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 255)
        assert "conmon" in state["Error"]
        await engine.containers.start("orphan")
        assert (await engine.containers.inspect("orphan"))["State"]["Status"] == "running"


async def test_a_daemon_that_is_stopped_leaves_containers_running(daemon: Daemon) -> None:
    async with open_client(daemon.target) as engine:
        await run(engine, "staying", body("sleep 1000"))
        pid = (await engine.containers.inspect("staying"))["State"]["Pid"]
    daemon.stop()
    daemon.start()
    async with open_client(daemon.target) as engine:
        assert (await engine.containers.inspect("staying"))["State"]["Pid"] == pid


async def test_a_bundle_that_a_killed_daemon_had_only_begun_is_gone(daemon: Daemon) -> None:
    async with open_client(daemon.target) as engine:
        made = await engine.containers.create({"Image": IMAGE, "Cmd": ["true"]}, name="begun")
    daemon.kill()
    bundle = daemon.folder / "run" / "c" / made["Id"][:24]
    # killed between the folder and the facts
    (bundle / "rootfs").mkdir(parents=True)
    (bundle / "config.json").write_text("{")
    daemon.start()
    assert not bundle.exists()
