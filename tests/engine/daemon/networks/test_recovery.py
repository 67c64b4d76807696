"""What is taken away comes back, and what ends leaves nothing; in a real kernel, in a namespace of its own."""

from __future__ import annotations

import os
import signal
from functools import partial

import anyio
import anyio.to_thread
import pytest

from engine.api.errors import Forbidden
from engine.daemon.networks.opening import identity_of
from tests.engine.daemon.networks.netns import (
    LOOK_UP,
    PUBLISHED,
    TCP_CLIENT,
    TCP_SERVER,
    Host,
    attachment,
    id_of,
    on_host,
    play,
    shell,
    until,
)

pytestmark = pytest.mark.root


def test_the_default_bridge_moves_when_its_subnet_was_taken_before_it_was_needed(host: Host) -> None:
    async def subnet() -> str:
        async with host.open() as networks:
            return (networks.registry.inspect("bridge")["IPAM"]["Config"] or [{}])[0]["Subnet"]

    async def use() -> None:
        async with host.open() as networks:
            await host.attach(networks, "web", networks=["bridge"])

    assert anyio.run(subnet) == "172.17.0.0/16"
    shell("ip link add docker0 type bridge && ip addr add 172.17.0.1/16 dev docker0")
    assert anyio.run(subnet) == "172.18.0.0/16"
    play(use)
    assert anyio.run(subnet) == "172.18.0.0/16", "it is there now, and its own route is no other's"


def test_a_network_with_running_containers_stays_and_an_empty_one_leaves_nothing(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            box, _ = await host.attach(networks, "web", bindings=PUBLISHED)
            with pytest.raises(Forbidden, match="has active endpoints: web"):
                await networks.registry.remove("shop")
            await networks.room.detach(id_of("web"))
            box.end()
            await networks.registry.remove("shop")
            assert "br-" not in shell("ip link")
            assert "8080" not in shell("nft list ruleset")
            assert list((host.places.run / "networks" / "containers").iterdir()) == []
            assert await networks.steward.held() == set()

    play(scenario)


def test_a_daemon_that_ends_leaves_nothing_on_the_host_unless_a_container_is_in_a_network(host: Host) -> None:
    table = f"table inet {identity_of(host.places).table}"

    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            await host.attach(networks, "web")
        [web] = host.boxes
        assert table in shell("nft list tables") and "br-" in shell("ip link") and "veth" in shell("ip link")
        async with host.open({id_of("web"): web.netns}) as networks:
            await networks.room.detach(id_of("web"))
        assert shell("nft list tables") == "" and "br-" not in shell("ip link") and "veth" not in shell("ip link")
        async with host.open() as networks:
            assert "br-" in shell("ip link"), "a network that a user made is there whenever a daemon is"

    play(scenario)


def test_an_address_that_is_given_again_at_once_is_not_answered_for_by_who_had_it(host: Host) -> None:
    """Its namespace may live on: another container may be in it, or the kernel be late."""

    async def scenario() -> None:
        async with host.open() as networks, anyio.create_task_group() as tasks:
            await networks.registry.create({"Name": "shop"})
            old, given = await host.attach(networks, "old")
            cli, _ = await host.attach(networks, "cli")
            old.serve(TCP_SERVER, 80)
            address = given.endpoints["shop"]["IPAddress"]
            assert cli.python(TCP_CLIENT, address, "80")
            await networks.room.detach(id_of("old"))
            new, again = await host.attach(networks, "new")
            assert again.endpoints["shop"]["IPAddress"] == address
            assert cli.python(TCP_CLIENT, address, "80") == "", "nobody listens in the new one yet"
            new.serve(TCP_SERVER, 80)
            assert cli.python(TCP_CLIENT, address, "80")
            await networks.room.detach(id_of("cli"))
            assert shell("ip link").count("veth") == 3
            tasks.start_soon(partial(networks.room.supervise, every_seconds=0.05))

            async def gone() -> bool:
                return shell("ip link").count("veth") == 2

            # the old one's was made dumb, and goes with its namespace; cli's is taken away though that lives on
            await until(gone)
            tasks.cancel_scope.cancel()

    play(scenario)


def test_a_bridge_or_a_rule_set_that_somebody_took_away_comes_back(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            bridge = networks.registry.inspect("shop")["Id"][:12]
            shell(f"ip link del br-{bridge} && nft flush ruleset")
            web, _ = await host.attach(networks, "web", bindings=PUBLISHED)
            web.serve(TCP_SERVER, 80)
            assert on_host(TCP_CLIENT, "127.0.0.1", "8080")

    play(scenario)


def test_after_a_killed_daemon_what_lives_works_and_what_died_is_gone(host: Host) -> None:
    async def before() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            web, _ = await host.attach(networks, "web", bindings=PUBLISHED)
            await host.attach(networks, "dead", bindings={"80/tcp": [{"HostPort": "9000"}]})
            await host.attach(networks, "cli")
            web.serve(TCP_SERVER, 80)

    async def after() -> None:
        web, dead, cli = host.boxes
        assert on_host(TCP_CLIENT, "127.0.0.1", "8080") and cli.python(LOOK_UP, "web/1") == "web 0 172.18.0.2"
        dead.end()
        async with host.open({id_of("web"): web.netns, id_of("cli"): cli.netns}) as networks:
            assert await networks.steward.held() == {id_of("web"), id_of("cli")}
            assert on_host(TCP_CLIENT, "127.0.0.1", "8080") and on_host(TCP_CLIENT, "::1", "8080")
            assert "9000" not in shell("nft list ruleset")
            assert shell("ip link").count("veth") == 2
            found = networks.room.attached(id_of("web"))
            assert found is not None and (found.ports["80/tcp"] or [{}])[0]["HostPort"] == "8080"
            assert cli.python(LOOK_UP, "dead/1").split()[1] != "0"
            _, new = await host.attach(networks, "new")
            assert new.endpoints["shop"]["IPAddress"] == "172.18.0.3", "the dead one's, and no living one's"

    play(before)
    play(after)


def test_a_dead_steward_is_replaced_and_knows_everything_again(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks, anyio.create_task_group() as tasks:
            await networks.registry.create({"Name": "shop"})
            web, _ = await host.attach(networks, "web", bindings=PUBLISHED)
            web.serve(TCP_SERVER, 80)
            tasks.start_soon(partial(networks.room.supervise, every_seconds=0.05))
            pid = int(shell(f"pgrep -f 'steward {host.places.run}' | head -1"))
            os.kill(pid, signal.SIGKILL)

            async def knows() -> bool:
                return await anyio.to_thread.run_sync(web.python, LOOK_UP, "web/1") == "web 0 172.18.0.2"

            await until(knows)
            assert web.python(LOOK_UP, "web/1") == "web 0 172.18.0.2"
            assert on_host(TCP_CLIENT, "::1", "8080")
            tasks.cancel_scope.cancel()

    play(scenario)


def test_the_steward_lets_go_of_a_container_whose_process_ends_without_a_daemon(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            web, _ = await host.attach(networks, "web", bindings=PUBLISHED)
            web.end()

            async def gone() -> bool:
                return not await networks.steward.held() and "veth" not in shell("ip link")

            await until(gone)

    play(scenario)


def test_a_hundred_containers_at_once_get_addresses_and_names_of_their_own(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            boxes = [host.box() for _ in range(100)]
            given: list[str] = []

            async def one(number: int) -> None:
                found = await networks.room.attach(attachment(f"web-{number}"), boxes[number].netns)
                given.append(found.endpoints["shop"]["IPAddress"])

            async with anyio.create_task_group() as tasks:
                for number in range(100):
                    tasks.start_soon(one, number)
            assert len(set(given)) == 100
            names = boxes[0].python(LOOK_UP, *[f"web-{number}/1" for number in range(100)])
            assert sorted(line.split()[2] for line in names.splitlines()) == sorted(given)
            async with anyio.create_task_group() as tasks:
                for number in range(100):
                    tasks.start_soon(networks.room.detach, id_of(f"web-{number}"))
            assert await networks.steward.held() == set()

    play(scenario)
