"""Look-ups: who sees which names, and the bytes of the answers."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.daemon.networks.steward import wire
from engine.daemon.networks.steward.names import name_servers
from engine.daemon.networks.steward.zone import Member, Resident, Zone, resident_of


def packed(*texts: str) -> tuple[bytes, ...]:
    return tuple(ip_address(text).packed for text in texts)


def resident(id: str, network: str, names: tuple[str, ...], *addresses: str, **more: object) -> Resident:
    return Resident(id, (Member(network, f"{network}_default", names, packed(*addresses)),), **more)  # type: ignore[arg-type]


@pytest.fixture
def zone() -> Zone:
    zone = Zone()
    zone.put(resident("1", "shop", ("shop-web-1", "web"), "10.0.0.2", "fd00::2"))
    zone.put(resident("2", "shop", ("shop-web-2", "web"), "10.0.0.3"))
    zone.put(resident("3", "other", ("db",), "10.1.0.2"))
    return zone


def test_a_shared_alias_has_the_addresses_of_all_who_bear_it(zone: Zone) -> None:
    assert sorted(zone.look_up(zone.residents["1"], "web") or []) == sorted(packed("10.0.0.2", "fd00::2", "10.0.0.3"))


def test_names_of_a_network_are_seen_in_that_network_only(zone: Zone) -> None:
    assert zone.look_up(zone.residents["1"], "db") is None
    assert zone.look_up(zone.residents["3"], "web") is None
    assert zone.look_up(zone.residents["3"], "db") == list(packed("10.1.0.2"))


def test_a_name_may_bear_the_network_s_name_after_a_dot(zone: Zone) -> None:
    assert zone.look_up(zone.residents["1"], "shop-web-2.shop_default") == list(packed("10.0.0.3"))


def test_a_container_that_is_gone_is_not_named_any_more(zone: Zone) -> None:
    zone.drop("2")
    assert zone.look_up(zone.residents["1"], "shop-web-2") is None
    assert zone.reverse(zone.residents["1"], packed("10.0.0.3")[0]) is None
    zone.drop("1")
    zone.drop("3")
    assert zone._names == {} and zone._addresses == {}


def test_a_link_s_alias_is_the_linker_s_alone(zone: Zone) -> None:
    zone.put(resident("4", "shop", ("cli",), "10.0.0.9", links={"www": "shop-web-1"}))
    assert zone.look_up(zone.residents["4"], "www") == list(packed("10.0.0.2", "fd00::2"))
    assert zone.look_up(zone.residents["1"], "www") is None


def test_an_address_given_to_another_keeps_the_other_s_name(zone: Zone) -> None:
    zone.put(resident("5", "shop", ("heir",), "10.0.0.3"))
    zone.drop("2")
    assert zone.reverse(zone.residents["1"], packed("10.0.0.3")[0]) == "heir.shop_default"


def test_a_record_of_the_channel_is_read_with_names_in_lower_case() -> None:
    member = {"network": "n", "network_name": "Shop", "names": ["Web"], "addresses": ["10.0.0.2"]}
    found = resident_of({"id": "1", "members": [member], "links": {"A": "B"}, "upstreams": None})
    assert found.members == (Member("n", "Shop", ("web",), packed("10.0.0.2")),)
    assert (found.links, found.upstreams, found.forwards) == ({"a": "b"}, None, True)


# --- bytes
def question(name: str, kind: int, *, edns: int = 0) -> bytes:
    text = wire.HEADER.pack(0x1234, 0x0100, 1, 0, 0, 1 if edns else 0)
    text += wire.write_name(name) + kind.to_bytes(2, "big") + b"\0\1"
    return text + (b"\0\0\x29" + edns.to_bytes(2, "big") + bytes(6) if edns else b"")


def test_a_question_is_read_in_lower_case_and_given_back_as_it_came() -> None:
    query = wire.read_query(question("WeB.Shop", wire.A, edns=1232))
    assert (query.name, query.kind, query.udp_bytes) == ("web.shop", wire.A, 1232)
    assert b"\x03WeB\x04Shop\0" in wire.answer_nothing(query, wire.NXDOMAIN)


def test_an_answer_names_every_address() -> None:
    query = wire.read_query(question("web", wire.A))
    answer = wire.answer_addresses(query, packed("10.0.0.2", "10.0.0.3"))
    id, flags, questions, answers, _, _ = wire.HEADER.unpack_from(answer)
    assert (id, questions, answers, flags & 15, bool(flags & wire.RESPONSE)) == (0x1234, 1, 2, 0, True)
    assert answer.endswith(b"\xc0\x0c\0\1\0\1\0\0\2\x58\0\4\x0a\0\0\3")


def test_an_answer_that_is_too_long_is_cut_and_says_so() -> None:
    query = wire.read_query(question("web", wire.A))
    many = [number.to_bytes(4, "big") for number in range(100)]
    answer = wire.answer_addresses(query, many, limit=query.udp_bytes)
    _, flags, _, answers, _, _ = wire.HEADER.unpack_from(answer)
    assert len(answer) <= 512 and flags & wire.TRUNCATED and answers == (512 - 21) // 16
    assert not wire.HEADER.unpack_from(wire.answer_addresses(query, many))[1] & wire.TRUNCATED


def test_reverse_names_are_addresses_of_both_families() -> None:
    assert wire.reversed_address("2.0.18.172.in-addr.arpa") == ip_address("172.18.0.2").packed
    six = ip_address("fd00::2")
    assert wire.reversed_address(six.reverse_pointer) == six.packed
    assert wire.reversed_address("x.0.18.172.in-addr.arpa") is None
    assert wire.reversed_address("999.0.18.172.in-addr.arpa") is None


@given(st.binary(max_size=300))
def test_no_datagram_breaks_the_reader(message: bytes) -> None:
    try:
        query = wire.read_query(message)
    except wire.Malformed:
        return
    assert wire.answer_nothing(query, wire.SERVFAIL)[:2] == message[:2]


def test_the_host_s_servers_are_read_from_resolv_conf() -> None:
    assert name_servers("# no\nnameserver 10.0.0.1\nsearch x\nnameserver\tfd00::1\n") == ("10.0.0.1", "fd00::1")
