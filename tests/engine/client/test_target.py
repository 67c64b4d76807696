"""Which engine is meant: flags before variables before contexts before what is found."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from engine.api.errors import InvalidArgument, Unavailable
from engine.client import target as targets
from engine.client.target import resolve_target
from engine.credentials.contexts import Context, ContextStore


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"DOCKER_CONFIG": str(tmp_path)}


@pytest.fixture
def context(environment: dict[str, str]) -> str:
    ContextStore(environment).create(Context("prod", "tcp://far:2376"), pem={"ca.pem": b"x"})
    return "prod"


def test_both_flags_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument, match="together"):
        resolve_target("unix:///x", "prod", environment)


def test_the_order_is_flag_rorqual_host_docker_host_docker_context_current(
    environment: dict[str, str], context: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": context}))
    asked = {"RORQUAL_HOST": "unix:///r", "DOCKER_HOST": "unix:///d", "DOCKER_CONTEXT": context}
    full = {**environment, **asked}
    assert resolve_target("unix:///flag", None, full).address == "unix:///flag"
    assert resolve_target(None, context, full).address == "tcp://far:2376"
    assert resolve_target(None, None, full).address == "unix:///r"
    del full["RORQUAL_HOST"]
    assert resolve_target(None, None, full).address == "unix:///d"
    del full["DOCKER_HOST"]
    assert resolve_target(None, None, full).address == "tcp://far:2376"
    del full["DOCKER_CONTEXT"]
    found = resolve_target(None, None, full)
    assert (found.address, found.chosen_by) == ("tcp://far:2376", 'context "prod"')


def test_a_context_brings_its_tls_files(environment: dict[str, str], context: str) -> None:
    found = resolve_target(None, context, environment)
    assert found.tls is not None and found.tls.verify
    assert (found.tls.folder / "ca.pem").read_bytes() == b"x"


def test_an_unknown_context_says_how_to_list_them(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument, match=r'no context "nope", named by DOCKER_CONTEXT.*context ls'):
        resolve_target(None, None, {**environment, "DOCKER_CONTEXT": "nope"})


def test_docker_tls_verify_holds_for_tcp_only(environment: dict[str, str]) -> None:
    asked = {**environment, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    far = resolve_target("tcp://h:1", None, asked)
    assert far.tls is not None and far.tls.folder == Path("/certs")
    assert resolve_target("unix:///x", None, asked).tls is None
    assert resolve_target("tcp://h:1", None, environment).tls is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/run/x.sock", "unix:///run/x.sock"),
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("tcp://host", "tcp://host:2375"),
        ("host:99", "tcp://host:99"),
        ("tcp://[::1]:5", "tcp://[::1]:5"),
        ("tcp://:2375", "tcp://localhost:2375"),
        ("ssh://me@host:22/", "ssh://me@host:22"),
    ],
)
def test_an_address_is_read_as_docker_reads_it(text: str, address: str, environment: dict[str, str]) -> None:
    assert resolve_target(text, None, environment).address == address


@pytest.mark.parametrize(
    "text",
    [
        "http://x",
        "unix://",
        "tcp://h:port",
        "tcp://h:99999",
        "ssh://",
        "ssh://-oProxyCommand=x",
        "ssh://u:p@h",
        "npipe:////x",
        "tcp://[::1",
    ],
)
def test_a_bad_address_names_where_it_was_set(text: str, environment: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument, match="DOCKER_HOST"):
        resolve_target(None, None, {**environment, "DOCKER_HOST": text})


def test_a_broken_config_is_an_error_and_not_ignored(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InvalidArgument, match=r"config\.json"):
        resolve_target(None, None, environment)


def test_a_listening_socket_is_found_and_a_dead_one_is_not(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, live = tmp_path / "dead.sock", tmp_path / "live.sock"
    monkeypatch.setattr(targets, "sockets", lambda _: iter([(str(dead), "Docker"), (str(live), "Podman")]))
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(dead))
    with pytest.raises(Unavailable, match=rf"no container engine.*tried {dead}: connection refused.*-H"):
        resolve_target(None, None, environment)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(live))
        listening.listen()
        found = resolve_target(None, None, environment)
        assert (found.address, found.chosen_by) == (f"unix://{live}", "found: Podman")
        assert resolve_target(None, "default", environment).address == f"unix://{live}"


def test_podmans_own_variable_is_a_place_to_look(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "p.sock"
    places = [place for place, _ in targets.sockets({**environment, "CONTAINER_HOST": f"unix://{path}"})]
    assert str(path) in places
