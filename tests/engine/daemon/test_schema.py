"""Every answer that the embedded engine serves, held against the Engine API's reference; and what versions change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon.api import Api
from tests.engine.daemon.reference import faults
from tests.engines import RunningEngine

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def world(rorqual_engine: RunningEngine) -> Iterator[tuple[Api, dict[str, str]]]:
    """One of everything, alive: a container with health, mounts, ports and two networks; and the names to ask for."""
    api = Api(rorqual_engine.socket)

    def post(path: str, body: dict[str, Any]) -> Any:
        status, answer = api.call("POST", path, json.dumps(body).encode(), **{"Content-Type": "application/json"})
        assert status < 300, answer
        return answer

    post("/volumes/create", {"Name": "schema-volume", "Labels": {"a": "b"}})
    network = post("/networks/create", {"Name": "schema-net", "EnableIPv6": True, "Labels": {"a": "b"}})["Id"]
    id = post(
        "/containers/create?name=schema",
        {
            "Image": rorqual_engine.image,
            "Cmd": ["sleep", "1000"],
            "Env": ["A=1"],
            "ExposedPorts": {"80/tcp": {}, "81/udp": {}},
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 100_000_000},
            "HostConfig": {
                "PortBindings": {"80/tcp": [{"HostPort": ""}]},
                "Binds": ["schema-volume:/data", "/tmp:/host:ro"],
                "Mounts": [{"Type": "tmpfs", "Target": "/t"}],
                "NetworkMode": "schema-net",
                "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}],
                "Memory": 64 << 20,
            },
            "NetworkingConfig": {"EndpointsConfig": {"schema-net": {"Aliases": ["al"]}, "bridge": {}}},
        },
    )["Id"]
    post(f"/containers/{id}/start", {})
    exec_id = post(f"/containers/{id}/exec", {"Cmd": ["true"], "AttachStdout": True})["Id"]
    post(f"/exec/{exec_id}/start", {"Detach": True})
    post(f"/containers/{id}/exec", {"Cmd": ["touch", "/new"]})
    yield api, {"id": id, "name": rorqual_engine.image, "exec": exec_id, "network": network, "volume": "schema-volume"}
    api.call("DELETE", f"/containers/{id}?force=1&v=1")
    api.call("DELETE", f"/networks/{network}")
    api.call("DELETE", "/volumes/schema-volume")
    api.close()


# The reference's path, and what is asked for it.
ANSWERS = {
    "/containers/json": "/containers/json?all=1&size=1",
    "/containers/{id}/json": "/containers/{id}/json?size=1",
    "/containers/{id}/top": "/containers/{id}/top",
    "/containers/{id}/changes": "/containers/{id}/changes",
    "/containers/{id}/stats": "/containers/{id}/stats?stream=0&one-shot=1",
    "/exec/{id}/json": "/exec/{exec}/json",
    "/images/json": "/images/json?all=1&shared-size=1&digests=1",
    "/images/{name}/json": "/images/{name}/json",
    "/images/{name}/history": "/images/{name}/history",
    "/networks": "/networks",
    "/networks/{id}": "/networks/{network}?verbose=1",
    "/volumes": "/volumes",
    "/volumes/{name}": "/volumes/{volume}",
    "/info": "/info",
    "/version": "/version",
    "/system/df": "/system/df",
    "/plugins": "/plugins",
}


@pytest.mark.parametrize("path", ANSWERS)
def test_an_answer_is_what_the_reference_says(world: tuple[Api, dict[str, str]], path: str) -> None:
    api, names = world
    status, answer = api.call("GET", "/v1.50" + ANSWERS[path].format(**names))
    assert status == 200, answer
    assert faults("GET", path, answer) == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/containers/prune", {"label": ["nobody"]}),
        ("/networks/prune", {"label": ["nobody"]}),
        ("/volumes/prune", {"label": ["nobody"]}),
        ("/images/prune", {"label": ["nobody"]}),
    ],
)
def test_a_prune_answers_as_the_reference_says(
    world: tuple[Api, dict[str, str]], path: str, said: dict[str, list[str]]
) -> None:
    status, answer = world[0].call("POST", f"/v1.50{path}?filters={quote(json.dumps(said))}")
    assert status == 200
    assert faults("POST", path, answer) == []


# Which member of which answer is there from a version on, or until it: (path, place, since, until).
MEMBERS: list[tuple[str, tuple[str, ...], tuple[int, int], tuple[int, int]]] = [
    ("/containers/{id}/json", ("NetworkSettings", "Networks", "schema-net", "DNSNames"), (1, 44), (9, 9)),
    ("/containers/{id}/json", ("NetworkSettings", "Networks", "schema-net", "GwPriority"), (1, 44), (9, 9)),
    ("/images/{name}/json", ("VirtualSize",), (0, 0), (1, 44)),
    ("/images/{name}/json", ("ContainerConfig",), (0, 0), (1, 45)),
    ("/images/{name}/json", ("Config", "Hostname"), (0, 0), (1, 50)),
    ("/system/df", ("BuilderSize",), (0, 0), (1, 42)),
]


@pytest.mark.parametrize("version", [(1, 41), (1, 44), (1, 50)])
@pytest.mark.parametrize(("path", "place", "since", "until"), MEMBERS, ids=["/".join(m[1]) for m in MEMBERS])
def test_versions_differ_as_the_table_says(
    world: tuple[Api, dict[str, str]],
    version: tuple[int, int],
    path: str,
    place: tuple[str, ...],
    since: tuple[int, int],
    until: tuple[int, int],
) -> None:
    api, names = world
    found: Any = api.call("GET", f"/v{version[0]}.{version[1]}" + path.format(**names))[1]
    for step in place[:-1]:
        found = found[step]
    assert (place[-1] in found) == (since <= version < until)


def test_below_1_45_the_short_id_is_an_alias(world: tuple[Api, dict[str, str]]) -> None:
    api, names = world
    for version, known in (("1.44", True), ("1.45", False)):
        found = api.call("GET", f"/v{version}/containers/{names['id']}/json")[1]
        aliases = found["NetworkSettings"]["Networks"]["schema-net"]["Aliases"]
        assert (names["id"][:12] in aliases) == known
