"""Addresses: the lowest free one, never a reserved one, and the words when there is none."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.errors import Forbidden, InvalidArgument, NotFound, SystemFailure
from engine.daemon.networks.ipam import (
    Pool,
    allocate,
    choose_subnet,
    default_subnets,
    gateway_of,
    read_subnet,
    unique_local_subnets,
)


def test_the_lowest_free_address_is_given_and_a_returned_one_is_given_again() -> None:
    pool = Pool(ip_network("10.0.0.0/24"), gateway=ip_address("10.0.0.1"))
    given_ = [pool.allocate() for _ in range(3)]
    assert [str(address) for address in given_] == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
    pool.release(ip_address("10.0.0.3"))
    assert str(pool.allocate()) == "10.0.0.3"
    assert str(pool.allocate()) == "10.0.0.5"


def test_a_fixed_address_is_skipped_by_the_others_and_is_refused_twice() -> None:
    pool = Pool(ip_network("10.0.0.0/24"), gateway=ip_address("10.0.0.1"))
    assert str(pool.allocate(ip_address("10.0.0.2"))) == "10.0.0.2"
    assert str(pool.allocate()) == "10.0.0.3"
    with pytest.raises(Forbidden, match="Address already in use"):
        pool.allocate(ip_address("10.0.0.2"))
    with pytest.raises(Forbidden):
        pool.allocate(ip_address("10.0.0.1"))


def test_network_broadcast_gateway_and_auxiliary_addresses_are_never_given() -> None:
    pool = Pool(ip_network("10.0.0.0/29"), gateway=ip_address("10.0.0.1"), auxiliary=[ip_address("10.0.0.3")])
    found = []
    while (address := pool.allocate()) is not None:
        found.append(str(address))
    assert found == ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]


def test_a_range_narrows_what_is_given_unasked_only() -> None:
    pool = Pool(ip_network("10.0.0.0/16"), range=ip_network("10.0.5.0/30"), gateway=ip_address("10.0.0.1"))
    assert [str(pool.allocate()) for _ in range(5)] == ["10.0.5.0", "10.0.5.1", "10.0.5.2", "10.0.5.3", "None"]
    assert str(pool.allocate(ip_address("10.0.9.9"))) == "10.0.9.9"
    pool.release(ip_address("10.0.9.9"))
    assert pool.allocate() is None


def test_an_exhausted_network_says_so() -> None:
    pool = Pool(ip_network("10.0.0.0/30"), gateway=ip_address("10.0.0.1"))
    allocate([pool], None, 4, "shop")
    with pytest.raises(SystemFailure, match="no available IPv4 addresses on this network's address pools: shop"):
        allocate([pool], None, 4, "shop")


def test_an_address_of_no_subnet_is_refused() -> None:
    pool = Pool(ip_network("10.0.0.0/24"), gateway=ip_address("10.0.0.1"))
    with pytest.raises(InvalidArgument, match="does not belong to any of this network's subnets"):
        allocate([pool], ip_address("10.9.0.1"), 4, "shop")


def test_default_subnets_are_docker_s_and_those_in_use_are_passed_over() -> None:
    subnets = list(default_subnets())
    assert [str(subnet) for subnet in subnets[:2]] == ["172.17.0.0/16", "172.18.0.0/16"]
    assert [str(subnet) for subnet in subnets[15:17]] == ["192.168.0.0/20", "192.168.16.0/20"]
    used: list[IPv4Network | IPv6Network] = [
        IPv4Network("172.17.5.0/24"),
        IPv4Network("172.18.0.0/15"),
        IPv6Network("fd00::/8"),
    ]
    assert str(choose_subnet(subnets, used)) == "172.20.0.0/16"


def test_without_a_free_default_subnet_the_user_is_told_what_to_do() -> None:
    with pytest.raises(NotFound, match="give this one a subnet"):
        choose_subnet(default_subnets(), [IPv4Network("0.0.0.0/0")])


def test_ipv6_defaults_are_unique_local_64s() -> None:
    first = next(unique_local_subnets(b"\x01\x02\x03\x04\x05"))
    assert str(first) == "fd01:203:405::/64"


def test_a_gateway_is_the_lowest_address_of_the_range() -> None:
    subnet = ip_network("10.0.0.0/16")
    assert str(gateway_of(subnet, None, ())) == "10.0.0.1"
    assert str(gateway_of(subnet, ip_network("10.0.5.0/24"), ())) == "10.0.5.0"
    assert str(gateway_of(subnet, None, [ip_address("10.0.0.1")])) == "10.0.0.2"


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/33", "ten/8", "", "fd00::/129"])
def test_a_bad_subnet_is_named(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid subnet"):
        read_subnet(text)


@given(st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=80))
def test_no_address_is_ever_given_twice(moves: list[int | None]) -> None:
    """None: allocate; a number: give back the one that was given so many moves ago."""
    pool = Pool(ip_network("10.0.0.0/27"), gateway=ip_address("10.0.0.1"))
    held: list[str] = []
    for move in moves:
        if move is None:
            address = pool.allocate()
            assert (address is None) == (len(held) == 29)
            if address is not None:
                assert str(address) not in held
                held.append(str(address))
        elif move < len(held):
            pool.release(ip_address(held.pop(move)))
