"""What every engine answers about itself, and the events that it tells."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
import pytest

from engine.api.containers import ContainerCreate
from engine.api.errors import EngineError, InvalidArgument
from engine.client.session import Engine, open_client
from tests.engines import RunningEngine

pytestmark = [pytest.mark.root, pytest.mark.anyio]
Body = Callable[..., ContainerCreate]


async def test_ping_version_and_info_agree(engine: Engine, running: RunningEngine) -> None:
    ping, version, info = await engine.system.ping(), await engine.system.version(), await engine.system.info()
    assert ping["api_version"] == version["ApiVersion"]
    assert version["Os"] == info["OSType"] == "linux"
    assert engine.api_version == ((1, 50) if running.kind == "rorqual" else (1, 41))


async def test_the_capability_set_is_that_of_the_engine(engine: Engine, running: RunningEngine) -> None:
    can = await engine.capabilities()
    assert can.engine == running.kind
    assert can.container_update is (running.kind != "podman")
    assert can.distribution is (running.kind != "podman")
    assert can.start_interval is (running.kind == "rorqual")
    assert (can.buildkit, can.swarm_active) == (False, False)
    assert can.cgroup_version in (1, 2)
    assert await engine.reader.capabilities() is can


async def test_an_engine_keeps_its_id(engine: Engine, running: RunningEngine) -> None:
    async with open_client(running.target) as again:
        assert (await again.capabilities()).engine_id == (await engine.capabilities()).engine_id != ""


async def test_the_reader_has_no_way_to_write(engine: Engine) -> None:
    reader = engine.reader
    rooms = (reader.containers, reader.images, reader.networks, reader.volumes, reader.exec, reader.system)
    written = {"create", "remove", "start", "stop", "kill", "prune", "pull", "build", "load", "update", "put_archive"}
    assert not [name for room in rooms for name in written if hasattr(room, name)]


async def test_a_client_that_only_looks_refuses_to_write_before_the_engine_is_asked(running: RunningEngine) -> None:
    async with open_client(running.target, looks_only=True) as looking:
        await looking.capabilities()
        with pytest.raises(InvalidArgument, match="--dry-run: POST /containers/prune would change the engine"):
            await looking.containers.prune()
        with pytest.raises(InvalidArgument, match="--dry-run: DELETE /volumes/any"):
            await looking.volumes.remove("any")


async def test_df_counts_what_is_kept(engine: Engine) -> None:
    assert len((await engine.system.df())["Images"] or []) >= 1


async def test_events_from_now_on_tell_a_containers_life(engine: Engine, body: Body, prefix: str) -> None:
    seen: list[str] = []
    with anyio.fail_after(30):
        async with engine.system.events(filters={"type": ["container"], "container": [prefix]}) as events:
            await engine.containers.create(body("exit 3"), name=prefix)
            await engine.containers.start(prefix)
            await engine.containers.wait(prefix)
            async for event in events:
                seen.append(event["Action"])
                if event["Action"] == "die":
                    assert (event["Actor"]["Attributes"] or {}).get("exitCode") == "3"
                    break
    # Podman tells of an "init" between.
    assert [action for action in seen if action in ("create", "start", "die")] == ["create", "start", "die"]


async def test_events_of_the_past_end_at_until(engine: Engine, running: RunningEngine, body: Body, prefix: str) -> None:
    if running.kind == "podman":
        pytest.skip("Podman 4.3 shows nothing for an `until` in the past")
    before = int(time.time()) - 1
    await engine.containers.create(body(), name=prefix)
    await anyio.sleep(1.1)
    with anyio.fail_after(30):
        async with engine.system.events(
            filters={"container": prefix, "event": "create"}, since=before, until=int(time.time())
        ) as events:
            actions = [event["Action"] async for event in events]
    assert actions == ["create"]


async def test_credentials_for_a_registry_that_is_not_there_are_refused(engine: Engine) -> None:
    with pytest.raises(EngineError):
        await engine.system.auth({"username": "u", "password": "p", "serveraddress": "localhost:1"})
