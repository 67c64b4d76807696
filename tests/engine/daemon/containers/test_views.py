"""Containers as lists and inspects show them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.api.errors import InvalidArgument
from engine.daemon.containers.filters import Lookups, matcher, prune_matcher
from engine.daemon.containers.moments import nanoseconds_of, rfc3339
from engine.daemon.containers.phase import Phase
from engine.daemon.containers.record import Container, HealthRecord
from engine.daemon.containers.views import Surroundings, command_text, inspect_view, port_list, status_text
from tests.engine.daemon.containers.values import container

S = 10**9
NOWHERE = Lookups(lambda word: 0, lambda word: [], lambda c: [], lambda c: ["80/tcp"], lambda c: [])


@pytest.mark.parametrize(
    ("phase", "changes", "text"),
    [
        (Phase.CREATED, {}, "Created"),
        (Phase.RUNNING, {"started": 95 * S}, "Up 5 seconds"),
        (Phase.PAUSED, {"started": 95 * S}, "Up 5 seconds (Paused)"),
        (
            Phase.RUNNING,
            {"started": 35 * S, "health": HealthRecord("starting")},
            "Up About a minute (health: starting)",
        ),
        (Phase.RUNNING, {"started": 99 * S, "health": HealthRecord("unhealthy")}, "Up 1 second (unhealthy)"),
        (Phase.EXITED, {"finished": 70 * S, "exit_code": 3}, "Exited (3) 30 seconds ago"),
        (Phase.RESTARTING, {"finished": 99 * S, "exit_code": 1}, "Restarting (1) 1 second ago"),
        (Phase.REMOVING, {}, "Removal In Progress"),
    ],
)
def test_the_status_is_in_dockers_words(phase: Phase, changes: dict[str, Any], text: str) -> None:
    found = container()
    found.phase = phase
    for name, value in changes.items():
        setattr(found, name, value)
    assert status_text(found, 100 * S) == text


def test_times_are_rfc_3339_and_come_back() -> None:
    assert rfc3339(0) == "0001-01-01T00:00:00Z"
    assert rfc3339(1_700_000_000 * S + 120) == "2023-11-14T22:13:20.00000012Z"
    assert nanoseconds_of("2023-11-14T22:13:20.00000012Z") == 1_700_000_000 * S + 120
    assert nanoseconds_of("1700000000.000000120") == 1_700_000_000 * S + 120
    with pytest.raises(InvalidArgument):
        nanoseconds_of("yesterday")


def test_a_record_survives_the_store() -> None:
    found = container({"Labels": {"a": "b"}})
    found.phase, found.health = Phase.RUNNING, HealthRecord("healthy", 0, [])
    assert Container.from_json(found.to_json()) == found


def test_an_inspect_at_rest_has_no_addresses_and_no_pid() -> None:
    found = container({"ExposedPorts": {"80/tcp": {}}})
    found.endpoints = {"net": {"Aliases": ["x"], "MacAddress": "02:00:00:00:00:01"}}
    made = inspect_view(found, Surroundings(None, "/f", None, None))
    assert made["State"]["Status"] == "created" and made["State"]["Pid"] == 0
    settings = made["NetworkSettings"]
    assert settings["Ports"] == {}
    networks = settings["Networks"] or {}
    assert networks["net"]["Aliases"] == ["x"]
    assert networks["net"]["IPAddress"] == ""


def test_ports_are_listed_with_and_without_bindings() -> None:
    found = port_list({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "53/udp": None})
    assert found == [
        {"IP": "0.0.0.0", "PrivatePort": 80, "Type": "tcp", "PublicPort": 8080},
        {"PrivatePort": 53, "Type": "udp"},
    ]


def test_the_command_is_quoted_where_it_has_spaces() -> None:
    assert command_text(container({"Cmd": ["sh", "-c", "echo a b"]})) == "sh -c 'echo a b'"


def fits(filters: dict[str, list[str]], **changes: Any) -> bool:
    found = container({"Labels": {"a": "b", "c": ""}, "ExposedPorts": {"80/tcp": {}}})
    found.name = "web-1"
    for name, value in changes.items():
        setattr(found, name, value)
    return matcher(filters, NOWHERE)(found)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, True),
        ({"label": ["a=b", "c"]}, True),
        ({"label": ["a=b", "missing"]}, False),
        ({"name": ["^/web"]}, True),
        ({"name": ["^web-1$"]}, True),
        ({"name": ["db", "web"]}, True),
        ({"name": ["[", "x"]}, False),
        ({"id": ["abab"]}, True),
        ({"status": ["exited", "created"]}, True),
        ({"status": ["running"]}, False),
        ({"health": ["none"]}, True),
        ({"expose": ["80", "90-99/tcp"]}, True),
        ({"expose": ["80/udp"]}, False),
        ({"is-task": ["true"]}, False),
    ],
)
def test_filters_choose(filters: dict[str, list[str]], expected: bool) -> None:
    assert fits(filters) is expected


@pytest.mark.parametrize("filters", [{"status": ["odd"]}, {"health": ["odd"]}, {"exited": ["x"]}])
def test_a_filter_that_cannot_be_meant_is_refused(filters: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidArgument, match="invalid filter"):
        fits(filters)


def test_prune_takes_what_is_old_and_has_not_the_label() -> None:
    found = container({"Labels": {"keep": ""}})
    now = 7200 * S
    assert not prune_matcher({"label!": ["keep"]}, now)(found)
    assert prune_matcher({"until": ["1h"]}, now)(found)
    assert not prune_matcher({"until": ["3h"]}, now)(found)
