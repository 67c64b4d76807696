"""POST /networks/create as a function: what becomes of a request, and what is refused, in Docker's words."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from engine.api.errors import (
    EngineError,
    Forbidden,
    InvalidArgument,
    NotFound,
    NotImplementedByEngine,
    SystemFailure,
    Unavailable,
)
from engine.daemon.networks.create import network_from
from engine.daemon.networks.network import Network, inspect, network_of, record_of

SUBNET = {"Subnet": "10.9.0.0/24"}


def made(body: dict[str, Any], config: Network | None = None) -> Network:
    return network_from(
        body,
        id="ab" * 32,
        created="2026-01-01T00:00:00Z",
        ours=[ip_network("172.17.0.0/16"), ip_network("10.8.0.0/16")],
        host=[ip_network("172.18.0.0/16")],
        seed=b"\1\2\3\4\5",
        config_of=lambda name: config if config is not None and config.name == name else None,
    )


def test_a_bare_network_is_a_bridge_on_the_first_default_subnet_that_is_free() -> None:
    network = made({"Name": "shop"})
    assert (network.driver, network.bridge) == ("bridge", "br-abababababab")
    [pool] = network.pools
    assert (pool.subnet, pool.gateway, pool.said) == ("172.19.0.0/16", "172.19.0.1", False)


def test_a_said_subnet_may_lie_over_a_route_of_the_host() -> None:
    network = made({"Name": "shop", "IPAM": {"Config": [{"Subnet": "172.18.0.0/24"}]}})
    assert network.pools[0].subnet == "172.18.0.0/24"


def test_dual_stack_gets_both_families() -> None:
    network = made({"Name": "shop", "EnableIPv6": True})
    assert [pool.subnet for pool in network.pools] == ["172.19.0.0/16", "fd01:203:405::/64"]
    assert network.pools[1].gateway == "fd01:203:405::1"


def test_an_ipv6_only_network_has_no_ipv4_pool() -> None:
    network = made({"Name": "shop", "EnableIPv4": False, "EnableIPv6": True})
    assert [pool.subnet for pool in network.pools] == ["fd01:203:405::/64"]


def test_range_gateway_and_auxiliary_addresses_are_kept_and_shown() -> None:
    pool = {
        "Subnet": "10.9.0.0/16",
        "IPRange": "10.9.5.0/24",
        "Gateway": "10.9.5.254",
        "AuxiliaryAddresses": {"router": "10.9.5.3"},
    }
    network = made({"Name": "shop", "IPAM": {"Config": [pool]}, "Labels": {"a": "b"}, "Internal": True})
    shown = inspect(network, None)
    assert shown["IPAM"] == {"Driver": "default", "Options": None, "Config": [pool]}
    assert (shown["Internal"], shown["Labels"]) == (True, {"a": "b"})


def test_a_network_comes_back_from_its_record_as_it_was() -> None:
    network = made({"Name": "shop", "EnableIPv6": True, "IPAM": {"Config": [SUBNET], "Options": {"a": "b"}}})
    assert network_of(record_of(network)) == network


def test_a_network_can_take_its_configuration_from_another() -> None:
    config = made({"Name": "plan", "ConfigOnly": True, "IPAM": {"Config": [SUBNET]}, "Options": {"a": "b"}})
    assert (config.config_only, config.driver, config.is_bridge) == (True, "null", False)
    network = made({"Name": "shop", "ConfigFrom": {"Network": "plan"}}, config)
    assert (network.pools[0].subnet, network.options, network.config_from) == ("10.9.0.0/24", {"a": "b"}, "plan")


@pytest.mark.parametrize(
    ("body", "fault", "words"),
    [
        ({}, InvalidArgument, "invalid name: "),
        ({"Name": "  "}, InvalidArgument, "invalid name"),
        ({"Name": 5}, InvalidArgument, "invalid name"),
        ({"Name": "bridge"}, Forbidden, "operation is not permitted on predefined bridge network "),
        ({"Name": "x", "Driver": "host"}, Forbidden, 'only one instance of "host" network is allowed'),
        ({"Name": "x", "Driver": "nope"}, NotFound, 'plugin "nope" not found'),
        ({"Name": "x", "Driver": "macvlan"}, NotImplementedByEngine, "use bridge"),
        ({"Name": "x", "Driver": "overlay"}, Unavailable, "not a swarm manager"),
        ({"Name": "x", "Scope": "swarm"}, Forbidden, "cannot create a swarm scoped network"),
        ({"Name": "x", "Scope": "far"}, Unavailable, "not a swarm manager"),
        ({"Name": "x", "IPAM": {"Driver": "nope"}}, NotFound, 'plugin "nope" not found'),
        ({"Name": "x", "IPAM": {"Config": [{"Subnet": "10.9.0.0/33"}]}}, InvalidArgument, "invalid subnet 10.9.0.0/33"),
        ({"Name": "x", "IPAM": {"Config": [{"Gateway": "10.9.0.1"}]}}, InvalidArgument, "invalid subnet"),
        ({"Name": "x", "IPAM": {"Config": ["x"]}}, InvalidArgument, "must be an object"),
        ({"Name": "x", "IPAM": {"Config": [{"Subnet": "10.8.1.0/24"}]}}, Forbidden, "Pool overlaps with other one"),
        ({"Name": "x", "IPAM": {"Config": [SUBNET, SUBNET]}}, Forbidden, "Pool overlaps with other one"),
        (
            {"Name": "x", "IPAM": {"Config": [{**SUBNET, "Gateway": "10.11.0.1"}]}},
            SystemFailure,
            "failed to allocate gateway (10.11.0.1): Requested address is out of range",
        ),
        ({"Name": "x", "IPAM": {"Config": [{**SUBNET, "IPRange": "10.11.0.0/25"}]}}, InvalidArgument, "ip-range"),
        ({"Name": "x", "Options": {"com.docker.network.driver.mtu": "abc"}}, InvalidArgument, "mtu value: abc"),
        ({"Name": "x", "Options": {"com.docker.network.bridge.enable_icc": "si"}}, InvalidArgument, "value: si"),
        ({"Name": "x", "Options": {"com.docker.network.bridge.name": "a/b"}}, InvalidArgument, "can't name an"),
        ({"Name": "x", "Options": {"a": 5}}, InvalidArgument, "not a text"),
        ({"Name": "x", "Labels": ["a"]}, InvalidArgument, "invalid Labels"),
        ({"Name": "x", "EnableIPv4": False}, InvalidArgument, "IPv4 or IPv6 must be enabled"),
        ({"Name": "x", "ConfigFrom": {"Network": "plan"}}, NotFound, "network plan not found"),
    ],
)
def test_what_is_refused_says_why(body: dict[str, Any], fault: type[EngineError], words: str) -> None:
    with pytest.raises(fault) as caught:
        made(body)
    assert words in caught.value.message
    assert type(caught.value) is fault
