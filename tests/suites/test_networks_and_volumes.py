"""What every engine answers about networks and volumes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.api.containers import ContainerCreate
from engine.api.errors import Conflict, EngineError, Forbidden, NotFound
from engine.client.session import Engine
from tests.engines import RunningEngine

pytestmark = [pytest.mark.root, pytest.mark.anyio]
Body = Callable[..., ContainerCreate]


async def test_a_network_is_made_seen_listed_and_removed(engine: Engine, prefix: str) -> None:
    pool = {"Subnet": "10.213.7.0/24", "Gateway": "10.213.7.1"}
    made = await engine.networks.create(
        {"Name": prefix, "Driver": "bridge", "Labels": {"suite": prefix}, "IPAM": {"Config": [pool]}}  # type: ignore[list-item]
    )
    found = await engine.networks.inspect(prefix)
    assert (found["Id"], found["Labels"]) == (made["Id"], {"suite": prefix})
    assert (found["IPAM"]["Config"] or [])[0]["Subnet"] == "10.213.7.0/24"
    assert [n["Name"] for n in await engine.networks.list(filters={"label": f"suite={prefix}"})] == [prefix]
    await engine.networks.remove(prefix)
    with pytest.raises(NotFound):
        await engine.networks.inspect(prefix)


async def test_a_network_name_in_use_is_a_conflict(engine: Engine, prefix: str) -> None:
    await engine.networks.create({"Name": prefix, "CheckDuplicate": True})
    with pytest.raises(Conflict, match="already"):
        await engine.networks.create({"Name": prefix, "CheckDuplicate": True})


async def test_a_container_is_connected_with_an_alias_and_disconnected(engine: Engine, body: Body, prefix: str) -> None:
    await engine.networks.create({"Name": prefix})
    await engine.networks.create({"Name": f"{prefix}-b"})
    asked = body(
        HostConfig={"NetworkMode": prefix}, NetworkingConfig={"EndpointsConfig": {prefix: {"Aliases": ["one"]}}}
    )
    await engine.containers.create(asked, name=f"{prefix}-c")
    await engine.containers.start(f"{prefix}-c")
    await engine.networks.connect(f"{prefix}-b", f"{prefix}-c", {"Aliases": ["two"]})
    joined = (await engine.containers.inspect(f"{prefix}-c"))["NetworkSettings"]["Networks"] or {}
    assert "one" in (joined[prefix]["Aliases"] or []) and "two" in (joined[f"{prefix}-b"]["Aliases"] or [])
    await engine.networks.disconnect(f"{prefix}-b", f"{prefix}-c", force=True)
    assert [*((await engine.containers.inspect(f"{prefix}-c"))["NetworkSettings"]["Networks"] or {})] == [prefix]


async def test_a_network_in_use_is_not_removed(engine: Engine, body: Body, prefix: str, running: RunningEngine) -> None:
    await engine.networks.create({"Name": prefix})
    await engine.containers.create(body(HostConfig={"NetworkMode": prefix}), name=f"{prefix}-c")
    await engine.containers.start(f"{prefix}-c")
    with pytest.raises(Forbidden if running.kind == "docker" else EngineError):
        await engine.networks.remove(prefix)


async def test_networks_are_pruned_by_label(engine: Engine, prefix: str) -> None:
    await engine.networks.create({"Name": prefix, "Labels": {"suite": prefix}})
    pruned = await engine.networks.prune(filters={"label": f"suite={prefix}"})
    assert pruned["NetworksDeleted"] == [prefix]


async def test_a_volume_is_made_seen_listed_and_removed(engine: Engine, prefix: str) -> None:
    await engine.volumes.create({"Name": prefix, "Labels": {"suite": prefix}})
    found = await engine.volumes.inspect(prefix)
    assert (found["Name"], found["Driver"], found["Labels"]) == (prefix, "local", {"suite": prefix})
    assert [v["Name"] for v in await engine.volumes.list(filters={"label": f"suite={prefix}"})] == [prefix]
    await engine.volumes.remove(prefix)
    with pytest.raises(NotFound, match=prefix):
        await engine.volumes.inspect(prefix)


async def test_no_volumes_are_an_empty_list(engine: Engine, prefix: str) -> None:
    assert await engine.volumes.list(filters={"label": f"suite={prefix}"}) == []


async def test_a_missing_volume_may_be_removed_by_force(engine: Engine, prefix: str) -> None:
    with pytest.raises(NotFound):
        await engine.volumes.remove(prefix)
    await engine.volumes.remove(prefix, force=True)


async def test_a_volume_in_use_is_a_conflict(engine: Engine, body: Body, prefix: str) -> None:
    await engine.containers.create(body(HostConfig={"Binds": [f"{prefix}:/v"]}), name=prefix)
    with pytest.raises(Conflict):
        await engine.volumes.remove(prefix)


async def test_volumes_are_pruned_by_label(engine: Engine, prefix: str) -> None:
    await engine.volumes.create({"Name": prefix, "Labels": {"suite": prefix}})
    named_too = {"all": "true"} if engine.api_version >= (1, 42) else {}
    pruned = await engine.volumes.prune(filters={"label": f"suite={prefix}", **named_too})
    assert pruned["VolumesDeleted"] == [prefix]
