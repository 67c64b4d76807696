"""What Docker and the embedded engine answer alike about networks: codes, words, and what containers see in them.

Podman answers many of these in its own way (other codes, other words), so it isn't asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from engine.api.containers import ContainerCreate
from engine.api.errors import EngineError, Forbidden, InvalidArgument, NotFound, SystemFailure
from engine.client.session import Engine
from tests.engines import RunningEngine

pytestmark = [pytest.mark.root, pytest.mark.anyio]
Body = Callable[..., ContainerCreate]


@pytest.fixture(autouse=True)
def docker_s_way(running: RunningEngine) -> None:
    if running.kind == "podman":
        pytest.skip("Podman has words and codes of its own here")


async def started(engine: Engine, name: str, body: ContainerCreate) -> str:
    made = await engine.containers.create(body, name=name)
    await engine.containers.start(made["Id"])
    return made["Id"]


async def output(engine: Engine, container: str, *command: str) -> str:
    """What a command in the container writes; asked again while the container's services come up."""
    text = b""
    for _ in range(20):
        made = await engine.exec.create(container, {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True})
        async with engine.exec.start(made) as stream:
            text = b"".join([frame.data async for frame in stream])
        if (await engine.exec.inspect(made))["ExitCode"] == 0:
            break
        await anyio.sleep(0.1)
    return text.decode()


@pytest.mark.parametrize("name", ["bridge", "host", "none"])
async def test_a_predefined_network_is_there_and_stays(engine: Engine, name: str) -> None:
    found = await engine.networks.inspect(name)
    assert (found["Name"], found["Scope"], found["Internal"]) == (name, "local", False)
    with pytest.raises(Forbidden, match=f"{name} is a pre-defined network and cannot be removed"):
        await engine.networks.remove(name)
    with pytest.raises(Forbidden, match=f"operation is not permitted on predefined {name} network"):
        await engine.networks.create({"Name": name})


@pytest.mark.parametrize(
    ("body", "fault", "words"),
    [
        ({"Driver": "host"}, Forbidden, 'only one instance of "host" network is allowed'),
        ({"Driver": "no-such"}, NotFound, 'plugin "no-such" not found'),
        ({"Scope": "swarm"}, Forbidden, "cannot create a swarm scoped network when swarm is not active"),
        ({"IPAM": {"Driver": "no-such"}}, NotFound, 'plugin "no-such" not found'),
        (
            {"IPAM": {"Config": [{"Subnet": "10.214.0.0/24", "Gateway": "10.215.0.1"}]}},
            SystemFailure,
            "Requested address is out of range",
        ),
    ],
)
async def test_a_network_that_can_not_be_is_refused(
    engine: Engine, prefix: str, body: Any, fault: type[EngineError], words: str
) -> None:
    with pytest.raises(fault) as caught:
        await engine.networks.create(body | {"Name": prefix})
    assert words in caught.value.message


async def test_subnets_of_two_networks_do_not_overlap(engine: Engine, prefix: str) -> None:
    await engine.networks.create({"Name": prefix, "IPAM": {"Config": [{"Subnet": "10.216.0.0/16"}]}})
    with pytest.raises(Forbidden, match="Pool overlaps with other one on this address space"):
        await engine.networks.create({"Name": f"{prefix}-b", "IPAM": {"Config": [{"Subnet": "10.216.9.0/24"}]}})


async def test_filters_choose_networks(engine: Engine, prefix: str) -> None:
    await engine.networks.create({"Name": prefix, "Labels": {"of": prefix}})

    async def names(**filters: str) -> set[str]:
        return {found["Name"] for found in await engine.networks.list(filters=filters)}

    assert prefix in await names(type="custom") and "bridge" not in await names(type="custom")
    assert {"bridge", "host", "none"} <= await names(type="builtin")
    assert await names(driver="null") == {"none"}
    assert await names(name=prefix, dangling="true") == {prefix}
    assert await names(label=f"of={prefix}") == {prefix} and await names(label="of=x") == set()
    assert await names(scope="swarm") == set()
    for wrong in ({"bogus": "x"}, {"dangling": "x"}):
        with pytest.raises(InvalidArgument):
            await names(**wrong)


async def test_names_in_a_network_are_resolved_and_follow_connect_and_disconnect(
    engine: Engine, body: Body, prefix: str
) -> None:
    await engine.networks.create({"Name": prefix})
    networking: Any = {"EndpointsConfig": {prefix: {"Aliases": ["web"]}}}
    serving = "mkdir /www && echo hello >/www/index.html && httpd -f -p 80 -h /www"
    await started(engine, f"{prefix}-a", body(serving, HostConfig={"NetworkMode": prefix}, NetworkingConfig=networking))
    asking = await started(engine, f"{prefix}-b", body(HostConfig={"NetworkMode": prefix}))
    for name in ("web", f"{prefix}-a"):
        assert await output(engine, asking, "wget", "-qO-", f"http://{name}") == "hello\n"
    assert "127.0.0.11" in await output(engine, asking, "cat", "/etc/resolv.conf")
    found = await engine.networks.inspect(prefix)
    assert {member["Name"] for member in (found["Containers"] or {}).values()} == {f"{prefix}-a", f"{prefix}-b"}
    await engine.networks.disconnect(prefix, f"{prefix}-a")
    assert list((await engine.networks.inspect(prefix))["Containers"] or {}) == [asking]
    with pytest.raises(SystemFailure, match=r"is not connected to (the )?network"):
        await engine.networks.disconnect(prefix, f"{prefix}-a")
    await engine.networks.connect(prefix, f"{prefix}-a", {"Aliases": ["again"]})
    assert await output(engine, asking, "wget", "-qO-", "http://again") == "hello\n"
    with pytest.raises(Forbidden, match="already exists in network"):
        await engine.networks.connect(prefix, f"{prefix}-a")


async def test_a_fixed_address_is_for_networks_with_a_said_subnet(engine: Engine, body: Body, prefix: str) -> None:
    await engine.networks.create({"Name": prefix})
    await engine.networks.create({"Name": f"{prefix}-b", "IPAM": {"Config": [{"Subnet": "10.217.0.0/24"}]}})
    container = await started(engine, prefix, body())
    with pytest.raises(InvalidArgument, match="only when connecting to networks with user configured subnets"):
        await engine.networks.connect(prefix, container, {"IPAMConfig": {"IPv4Address": "10.218.0.5"}})
    await engine.networks.connect(f"{prefix}-b", container, {"IPAMConfig": {"IPv4Address": "10.217.0.77"}})
    networks = (await engine.containers.inspect(container))["NetworkSettings"]["Networks"] or {}
    endpoint = networks[f"{prefix}-b"]
    assert (endpoint["IPAddress"], endpoint["IPPrefixLen"], endpoint["Gateway"]) == ("10.217.0.77", 24, "10.217.0.1")


async def test_a_published_port_answers_and_is_nobody_else_s(
    engine: Engine, body: Body, prefix: str, running: RunningEngine
) -> None:
    ports: Any = {"80/tcp": [{"HostPort": "18080"}]}
    serving = "mkdir /www && echo hello >/www/index.html && httpd -f -p 80 -h /www"
    more: Any = {"HostConfig": {"PortBindings": ports}, "ExposedPorts": {"80/tcp": {}, "81/udp": {}}}
    container = await started(engine, prefix, body(serving, **more))
    shown = (await engine.containers.inspect(container))["NetworkSettings"]["Ports"] or {}
    assert shown["81/udp"] is None and {"HostIp": "0.0.0.0", "HostPort": "18080"} in (shown["80/tcp"] or [])
    for address in ("127.0.0.1", "[::1]"):
        fetched = running.inside(["curl", "-s", "--retry", "5", "--retry-connrefused", f"http://{address}:18080"])
        assert fetched.stdout == "hello\n"
    late = await engine.containers.create(body(**more), name=f"{prefix}-late")
    with pytest.raises(EngineError) as caught:
        await engine.containers.start(late["Id"])
    assert "driver failed programming external connectivity" in caught.value.message
    assert caught.value.message.endswith("Bind for 0.0.0.0:18080 failed: port is already allocated")


async def test_the_host_network_has_its_own_rules(engine: Engine, body: Body, prefix: str) -> None:
    await engine.networks.create({"Name": prefix})
    on_host = await started(engine, prefix, body(HostConfig={"NetworkMode": "host"}))
    alone = await started(engine, f"{prefix}-none", body(HostConfig={"NetworkMode": "none"}))
    with pytest.raises(InvalidArgument, match="sharing network namespace with another container or host"):
        await engine.networks.connect(prefix, on_host)
    with pytest.raises(InvalidArgument, match=r"private \(none\) mode"):
        await engine.networks.connect(prefix, alone)
    with pytest.raises(InvalidArgument, match="connected to host network"):
        await engine.networks.connect("host", alone)
    assert "eth0" not in await output(engine, alone, "ip", "link")
