"""Published ports: what a container asks for, and what inspect shows."""

from __future__ import annotations

import pytest

from engine.api.errors import InvalidArgument
from engine.daemon.networks.ports import PortRequest, Published, requests_of, shown

BOTH = ("0.0.0.0", "::")


def test_a_binding_without_an_address_is_on_every_address_of_both_families() -> None:
    assert requests_of({"80/tcp": [{"HostPort": "8080"}]}, (), False) == [PortRequest(80, "tcp", BOTH, 8080, 8080)]


def test_fixed_ports_come_before_ranges_and_ranges_before_random_ones() -> None:
    bindings = {"1/tcp": [{"HostPort": ""}], "2/tcp": [{"HostPort": "8000-8010"}], "3/udp": [{"HostPort": "9"}]}
    assert [request.port for request in requests_of(bindings, (), False)] == [3, 2, 1]


def test_publish_all_publishes_what_is_exposed_and_not_bound() -> None:
    found = requests_of({"80/tcp": [{"HostPort": "8080"}]}, ["80/tcp", "90/udp"], True)
    assert [(request.port, request.protocol, request.first) for request in found] == [(80, "tcp", 8080), (90, "udp", 0)]


def test_the_network_s_binding_address_stands_in_where_none_is_said() -> None:
    [request] = requests_of({"80/tcp": [{}]}, (), False, "127.0.0.1")
    assert request.addresses == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("key", "place", "words"),
    [
        ("x/tcp", {}, "invalid port specification: 'x/tcp'"),
        ("0/tcp", {}, "invalid port"),
        ("80/icmp", {}, "invalid proto: icmp"),
        ("80/sctp", {}, "not sctp"),
        ("80/tcp", {"HostPort": "99999"}, "from 1 to 65535"),
        ("80/tcp", {"HostPort": "9-8"}, "from 1 to 65535"),
        ("80/tcp", {"HostPort": "a"}, "such as 8080"),
        ("80/tcp", {"HostIp": "localhost"}, "invalid IP address 'localhost'"),
    ],
)
def test_a_bad_binding_is_named(key: str, place: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        requests_of({key: [place]}, (), False)
    assert words in caught.value.message


def test_exposed_ports_are_shown_with_null_until_they_are_published() -> None:
    published = [Published("0.0.0.0", 8080, "tcp", 80), Published("::", 8080, "tcp", 80)]
    assert shown(published, ["80/tcp", "90/udp"]) == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
        "90/udp": None,
    }
