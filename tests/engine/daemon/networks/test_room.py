"""Containers in networks, in a real kernel: each test in a network namespace of its own."""

from __future__ import annotations

import pytest

from engine.api.errors import Conflict, Forbidden, InvalidArgument, SystemFailure
from tests.engine.daemon.networks.netns import (
    LOOK_UP,
    PUBLISHED,
    TCP_CLIENT,
    TCP_SERVER,
    UDP_CLIENT,
    UDP_SERVER,
    Host,
    attachment,
    id_of,
    on_host,
    play,
)

pytestmark = pytest.mark.root


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
