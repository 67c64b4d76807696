"""Containers in networks, in a real kernel: each test in a network namespace of its own."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from engine.api.errors import Conflict, Forbidden, InvalidArgument, SystemFailure
from tests.engine.daemon.networks.netns import (
    LOOK_UP,
    TCP_CLIENT,
    TCP_SERVER,
    UDP_CLIENT,
    UDP_SERVER,
    Host,
    attachment,
    id_of,
    on_host,
    own_netns,
    shell,
    until,
)

pytestmark = pytest.mark.root
PUBLISHED = {"80/tcp": [{"HostPort": "8080"}], "81/udp": [{"HostPort": "8081"}]}
Scenario = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with own_netns():
        host = Host(tmp_path)
        yield host
        host.end()

        async def end_steward() -> None:
            async with host.open() as networks:
                await networks.steward.end()

        anyio.run(end_steward)


def play(scenario: Scenario) -> None:
    anyio.run(scenario)


def test_containers_of_a_network_reach_each_other_by_every_name_and_address(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop", "EnableIPv6": True})
            one, first = await host.attach(networks, "one", endpoints={"shop": {"Aliases": ["web"]}})
            _, second = await host.attach(networks, "two", endpoints={"shop": {"Aliases": ["web"]}})
            a, b = first.endpoints["shop"], second.endpoints["shop"]
            assert (a["IPAddress"], b["IPAddress"]) == ("172.18.0.2", "172.18.0.3")
            assert (a["MacAddress"], a["Gateway"], a["IPPrefixLen"]) == ("02:42:ac:12:00:02", "172.18.0.1", 16)
            assert a["DNSNames"] == ["one", "web", id_of("one")[:12], "one-host"]
            reverse = "3.0.18.172.in-addr.arpa"
            words = one.python(
                LOOK_UP, "web/1", "web/28", "TWO/1", "two.shop/1", f"{id_of('two')[:12]}/1", f"{reverse}/12"
            )
            assert words.splitlines() == [
                "web 0 172.18.0.2 172.18.0.3",
                f"web 0 {a['GlobalIPv6Address']} {b['GlobalIPv6Address']}",
                "TWO 0 172.18.0.3",
                "two.shop 0 172.18.0.3",
                f"{id_of('two')[:12]} 0 172.18.0.3",
                f"{reverse} 0 \x03two\x04shop\x00",
            ]
            one.serve(TCP_SERVER, 80)
            two = host.boxes[1]
            assert two.python(TCP_CLIENT, a["IPAddress"], "80") == "::ffff:172.18.0.3"
            assert two.python(TCP_CLIENT, a["GlobalIPv6Address"], "80") == b["GlobalIPv6Address"]
            assert first.files["resolv.conf"].startswith(b"nameserver 127.0.0.11\n")

    play(scenario)


def test_a_network_may_have_ipv6_only(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop", "EnableIPv4": False, "EnableIPv6": True})
            one, found = await host.attach(networks, "one", bindings=PUBLISHED)
            two, _ = await host.attach(networks, "two")
            endpoint = found.endpoints["shop"]
            assert endpoint["IPAddress"] == "" and endpoint["GlobalIPv6PrefixLen"] == 64
            one.serve(TCP_SERVER, 80)
            address = endpoint["GlobalIPv6Address"]
            assert two.python(TCP_CLIENT, address, "80")
            assert two.python(LOOK_UP, "one/28", "one/1").splitlines() == [f"one 0 {address}", "one 0"]
            # an IPv4 address of the host leads there too
            assert on_host(TCP_CLIENT, "127.0.0.1", "8080") and on_host(TCP_CLIENT, "::1", "8080")

    play(scenario)


def test_port_53_stays_free_for_the_container(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            box, _ = await host.attach(networks, "dns")
            box.serve(UDP_SERVER, 53)
            assert box.python(UDP_CLIENT, "127.0.0.1", "53") == "HELLO"
            assert box.python(LOOK_UP, "dns/1") == "dns 0 172.18.0.2"

    play(scenario)


def test_published_ports_are_reached_from_everywhere(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop", "EnableIPv6": True})
            await networks.registry.create({"Name": "other"})
            web, found = await host.attach(networks, "web", bindings=PUBLISHED, exposed=["90/tcp"])
            stranger, _ = await host.attach(networks, "stranger", networks=["other"])
            both = [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}]
            assert found.ports["80/tcp"] == both and found.ports["90/tcp"] is None
            web.serve(TCP_SERVER, 80)
            web.serve(UDP_SERVER, 81)
            shop = found.endpoints["shop"]
            for address in ("127.0.0.1", "::1", shop["Gateway"], shop["IPv6Gateway"]):
                assert on_host(TCP_CLIENT, address, "8080"), address
                assert on_host(UDP_CLIENT, address, "8081") == "HELLO", address
            for box in (web, stranger):
                assert box.python(TCP_CLIENT, shop["Gateway"], "8080"), "by the host's address"
                assert box.python(UDP_CLIENT, shop["Gateway"], "8081") == "HELLO"

    play(scenario)


def test_an_ipv6_address_of_the_host_leads_to_a_container_without_ipv6(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            web, _ = await host.attach(networks, "web", bindings=PUBLISHED)
            web.serve(TCP_SERVER, 80)
            web.serve(UDP_SERVER, 81)
            shell("ip addr add fd99::1/64 dev lo nodad")
            assert on_host(TCP_CLIENT, "fd99::1", "8080")
            assert on_host(UDP_CLIENT, "fd99::1", "8081") == "HELLO"

    play(scenario)


def test_a_port_on_127_0_0_1_is_reached_from_the_host_only(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            local = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}
            web, found = await host.attach(networks, "web", bindings=local)
            web.serve(TCP_SERVER, 80)
            assert on_host(TCP_CLIENT, "127.0.0.1", "8080")
            assert not on_host(TCP_CLIENT, found.endpoints["shop"]["Gateway"], "8080")
            assert found.ports == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}

    play(scenario)


def test_route_localnet_does_not_open_the_host_s_loopback_to_containers(host: Host) -> None:
    """CVE-2020-8558's class: a container that sends to 127.0.0.1 by its gateway reaches nothing."""

    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            evil, _ = await host.attach(networks, "evil")
            with socket.create_server(("127.0.0.1", 7777)) as listener:
                listener.settimeout(1.5)
                evil.run(["sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"])
                evil.run(["ip", "addr", "del", "127.0.0.1/8", "dev", "lo"])
                evil.run(["ip", "route", "add", "127.0.0.0/8", "via", "172.18.0.1"])
                evil.run(["ip", "route", "del", "local", "127.0.0.0/8", "table", "local"])
                assert not evil.python(TCP_CLIENT, "127.0.0.1", "7777")
                with pytest.raises(TimeoutError):
                    listener.accept()
                # the way there was open but for our rule
                shell("nft flush chain inet $(nft list tables inet | cut -d' ' -f3) raw")
                evil.python(TCP_CLIENT, "127.0.0.1", "7777")
                listener.accept()[0].close()

    play(scenario)


def test_bridges_are_apart_and_internal_networks_have_no_way_out(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            for name, more in (("shop", {}), ("other", {}), ("inner", {"Internal": True})):
                await networks.registry.create({"Name": name, **more})
            shell(
                "ip link add up0 type veth peer name up1 && ip addr add 198.51.100.1/24 dev up0 && ip link set up0 up"
            )
            shop, a = await host.attach(networks, "shop")
            other, b = await host.attach(networks, "other", networks=["other"])
            inner, c = await host.attach(networks, "inner", networks=["inner"], bindings=PUBLISHED)
            mate, _ = await host.attach(networks, "mate", networks=["inner"])
            for box in (shop, other, inner):
                box.serve(TCP_SERVER, 80)
            ip = {name: found.endpoints[name]["IPAddress"] for name, found in (("shop", a), ("other", b), ("inner", c))}
            assert not shop.python(TCP_CLIENT, ip["other"], "80")
            assert not shop.python(TCP_CLIENT, ip["inner"], "80")
            assert not inner.python(TCP_CLIENT, ip["shop"], "80")
            assert mate.python(TCP_CLIENT, ip["inner"], "80")
            assert on_host(TCP_CLIENT, ip["shop"], "80"), "the host itself reaches every container"
            assert c.endpoints["inner"]["Gateway"] == "" and c.ports["80/tcp"] is None and c.warnings
            assert "default" not in inner.run(["ip", "route"]).stdout
            assert mate.python(LOOK_UP, "inner/1", "example.com/1").splitlines() == [
                f"inner 0 {ip['inner']}",
                "example.com 2",
            ]

    play(scenario)


def test_masquerade_hides_containers_from_the_world(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            box, _ = await host.attach(networks, "shop")
            world = host.box()
            shell(f"ip link add up0 type veth peer name up1 netns {world.process.pid}")
            shell("ip addr add 198.51.100.1/24 dev up0 && ip link set up0 up")
            world.run(["sh", "-c", "ip addr add 198.51.100.2/24 dev up1; ip link set up1 up; ip link set lo up"])
            world.serve(TCP_SERVER, 80)
            assert box.python(TCP_CLIENT, "198.51.100.2", "80") == "::ffff:198.51.100.1"
            # and the world reaches a container by its published port only
            web, found = await host.attach(networks, "web", bindings=PUBLISHED)
            web.serve(TCP_SERVER, 80)
            assert world.python(TCP_CLIENT, "198.51.100.1", "8080") == "::ffff:198.51.100.2"
            world.run(["ip", "route", "add", "172.18.0.0/16", "via", "198.51.100.1"])
            assert not world.python(TCP_CLIENT, found.endpoints["shop"]["IPAddress"], "80")

    play(scenario)


@pytest.mark.parametrize("place", ["FORWARD", "DOCKER-USER"])
def test_a_forward_policy_of_drop_does_not_stop_containers(host: Host, place: str) -> None:
    async def scenario() -> None:
        shell("iptables -P FORWARD DROP && ip6tables -P FORWARD DROP")
        if place == "DOCKER-USER":
            shell("iptables -N DOCKER-USER && iptables -A DOCKER-USER -j RETURN && iptables -A FORWARD -j DOCKER-USER")
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            await networks.registry.create({"Name": "other"})
            web, found = await host.attach(networks, "web", bindings=PUBLISHED)
            web.serve(TCP_SERVER, 80)
            stranger, _ = await host.attach(networks, "stranger", networks=["other"])
            assert stranger.python(TCP_CLIENT, found.endpoints["shop"]["Gateway"], "8080")
            assert not stranger.python(TCP_CLIENT, found.endpoints["shop"]["IPAddress"], "80")
            assert f"-A {place} -i br-" in shell("iptables -S")
            for name in ("web", "stranger"):
                await networks.room.detach(id_of(name))
            for name in ("shop", "other"):
                await networks.registry.remove(name)
            assert "rorqual" not in shell("iptables -S")

    play(scenario)


def test_beside_docker_its_containers_and_ours_stay_apart(host: Host) -> None:
    async def scenario() -> None:
        shell("iptables -P FORWARD DROP && iptables -N DOCKER-USER && iptables -A FORWARD -j DOCKER-USER")
        shell("ip link add docker0 type bridge && ip addr add 172.17.0.1/16 dev docker0 && ip link set docker0 up")
        theirs = host.box()
        shell(
            f"ip link add up0 master docker0 type veth peer name eth0 netns {theirs.process.pid} && ip link set up0 up"
        )
        theirs.run(["sh", "-c", "ip addr add 172.17.0.2/16 dev eth0; ip link set eth0 up"])
        theirs.run(["ip", "route", "add", "default", "via", "172.17.0.1"])
        theirs.serve(TCP_SERVER, 80)
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            ours, found = await host.attach(networks, "ours", bindings=PUBLISHED)
            ours.serve(TCP_SERVER, 80)
            assert networks.registry.inspect("bridge")["IPAM"]["Config"] != [{"Subnet": "172.17.0.0/16"}]
            assert not ours.python(TCP_CLIENT, "172.17.0.2", "80")
            assert not theirs.python(TCP_CLIENT, found.endpoints["shop"]["IPAddress"], "80")
            assert theirs.python(TCP_CLIENT, "172.17.0.1", "8080"), "a published port is everybody's"

    play(scenario)


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


def test_a_port_in_use_is_said_and_nothing_stays(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            await host.attach(networks, "web", bindings=PUBLISHED)
            with pytest.raises(SystemFailure) as caught:
                await host.attach(networks, "late", bindings=PUBLISHED)
            assert "driver failed programming external connectivity on endpoint late (" in caught.value.message
            assert caught.value.message.endswith("Bind for 0.0.0.0:8080 failed: port is already allocated")
            with socket.create_server(("127.0.0.1", 9090)), pytest.raises(SystemFailure) as caught:
                await host.attach(networks, "late", bindings={"80/tcp": [{"HostPort": "9090"}]})
            assert caught.value.message.endswith("Bind for 0.0.0.0:9090 failed: port is already allocated")
            assert networks.room.attached(id_of("late")) is None
            assert len(networks.registry.inspect("shop")["Containers"] or {}) == 1
            # the port is another program's no more than ours
            with pytest.raises(OSError, match="in use"):
                socket.create_server(("0.0.0.0", 8080))
            _, found = await host.attach(networks, "next", bindings={"80/tcp": [{"HostPort": "8080-8082"}]})
            assert (found.ports["80/tcp"] or [{}])[0]["HostPort"] in {"8081", "8082"}
            _, found = await host.attach(networks, "any", bindings={"80/tcp": [{"HostPort": ""}]})
            four, six = found.ports["80/tcp"] or []
            assert four["HostPort"] == six["HostPort"] != "0"

    play(scenario)


def test_fixed_addresses_ranges_and_macs_are_given_as_asked(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            pool = {"Subnet": "10.9.0.0/16", "IPRange": "10.9.5.0/24", "Gateway": "10.9.0.9"}
            await networks.registry.create({"Name": "shop", "IPAM": {"Config": [pool]}})
            fixed = {"shop": {"IPAMConfig": {"IPv4Address": "10.9.77.7"}, "MacAddress": "02:00:00:00:00:07"}}
            box, found = await host.attach(networks, "fixed", endpoints=fixed)
            assert found.endpoints["shop"]["IPAddress"] == "10.9.77.7"
            assert "02:00:00:00:00:07" in box.run(["ip", "link", "show", "eth0"]).stdout
            _, loose = await host.attach(networks, "loose")
            assert (loose.endpoints["shop"]["IPAddress"], loose.endpoints["shop"]["Gateway"]) == (
                "10.9.5.0",
                "10.9.0.9",
            )
            with pytest.raises(Forbidden, match="Address already in use"):
                await host.attach(networks, "thief", endpoints=fixed)
            outside = {"shop": {"IPAMConfig": {"IPv4Address": "10.10.0.1"}}}
            with pytest.raises(InvalidArgument, match="does not belong to any of this network's subnets"):
                networks.room.check(attachment("x", endpoints=outside))

    play(scenario)


def test_connect_and_disconnect_change_a_running_container(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            web, _ = await host.attach(networks, "web")
            lone, before = await host.attach(networks, "lone", networks=["bridge"], bindings=PUBLISHED)
            assert b"127.0.0.11" not in before.files["resolv.conf"]
            lone.serve(TCP_SERVER, 80)
            both = {"bridge": {}, "shop": {"Aliases": ["late"]}}
            made = await networks.room.connect("shop", attachment("lone", endpoints=both), lone.netns)
            assert made["IPAddress"] == "172.18.0.3"
            assert web.python(LOOK_UP, "late/1") == "late 0 172.18.0.3"
            assert lone.python(LOOK_UP, "web/1") == "web 0 172.18.0.2"
            after = networks.room.attached(id_of("lone"))
            assert after is not None and b"127.0.0.11" in after.files["resolv.conf"]
            with pytest.raises(Forbidden, match="endpoint with name lone already exists in network shop"):
                await networks.room.connect("shop", attachment("lone", endpoints=both), lone.netns)
            await networks.room.rename(id_of("lone"), "renamed")
            assert web.python(LOOK_UP, "renamed/1") == "renamed 0 172.18.0.3"
            # the way out goes, and another is taken: ports and route follow
            await networks.room.disconnect("bridge", id_of("lone"))
            assert "default via 172.18.0.1 dev eth1" in lone.run(["ip", "route"]).stdout
            assert on_host(TCP_CLIENT, "127.0.0.1", "8080") and on_host(TCP_CLIENT, "::1", "8080")
            await networks.room.disconnect("shop", id_of("lone"))
            assert "eth" not in lone.run(["ip", "link"]).stdout
            with pytest.raises(SystemFailure, match="is not connected to the network shop"):
                await networks.room.disconnect("shop", id_of("lone"))

    play(scenario)


def test_links_name_a_running_container_of_the_default_bridge(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await host.attach(networks, "db", networks=["bridge"])
            _, found = await host.attach(networks, "web", networks=["bridge"], links=["db:cache"])
            assert b"172.17.0.2\tcache 646200000000 db\n" in found.files["hosts"]
            with pytest.raises(Conflict, match="Cannot link to a non running container: /gone AS /x/gone"):
                await host.attach(networks, "x", networks=["bridge"], links=["gone"])

    play(scenario)


def test_a_udp_client_that_goes_on_sending_reaches_the_port_s_next_container(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            await networks.registry.create({"Name": "shop"})
            old, _ = await host.attach(networks, "old", bindings=PUBLISHED)
            old.serve(UDP_SERVER, 81)
            await host.attach(networks, "between")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(2)
                client.connect(("127.0.0.1", 8081))
                client.send(b"one")
                assert client.recv(100) == b"ONE"
                await networks.room.detach(id_of("old"))
                _, blocker = await host.attach(networks, "blocker")
                new, found = await host.attach(networks, "new", bindings=PUBLISHED)
                assert found.endpoints["shop"]["IPAddress"] not in {"172.18.0.2", ""}, blocker
                new.serve(UDP_SERVER, 81)
                client.send(b"two")
                assert client.recv(100) == b"TWO"

    play(scenario)


def test_icc_false_keeps_containers_of_one_network_apart(host: Host) -> None:
    async def scenario() -> None:
        async with host.open() as networks:
            options = {"com.docker.network.bridge.enable_icc": "false", "com.docker.network.bridge.name": "quiet0"}
            await networks.registry.create({"Name": "shop", "Options": options})
            one, a = await host.attach(networks, "one")
            two, _ = await host.attach(networks, "two")
            one.serve(TCP_SERVER, 80)
            assert not two.python(TCP_CLIENT, a.endpoints["shop"]["IPAddress"], "80")
            assert on_host(TCP_CLIENT, a.endpoints["shop"]["IPAddress"], "80")
            assert "quiet0" in shell("ip link")

    play(scenario)


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
