"""What reaches whom: published ports, isolation, other firewalls; in a real kernel, in a namespace of its own."""

from __future__ import annotations

import socket

import pytest

from engine.api.errors import SystemFailure
from tests.engine.daemon.networks.netns import (
    LOOK_UP,
    PUBLISHED,
    TCP_CLIENT,
    TCP_SERVER,
    UDP_CLIENT,
    UDP_SERVER,
    Host,
    id_of,
    on_host,
    play,
    shell,
)

pytestmark = pytest.mark.root


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
