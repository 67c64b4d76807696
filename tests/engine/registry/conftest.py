"""The distribution suite's subject: our registry and Debian's in turn, one process of each for all the tests."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator

import pytest

from tests.registries import Registry, running_debian_registry, running_registry

COUNT = itertools.count(1)
# What docker-registry 2.8 does otherwise than the specification says: sha512, 416 for ranges and chunks, order of tags.
DEBIAN_FAILS = (
    "debian-sha512",
    "-sha512]",
    "test_tags_are_listed_in_order",
    "test_a_range_that_a_blob_has_not_is_416",
    "test_a_digest_that_is_none_is_400",
    "test_a_chunk_out_of_order_is_416",
    "test_the_first_chunk_must_begin_at_0",
    "test_an_upload_that_never_was_is_unknown",
    "test_layers_that_lie_elsewhere_need_not_be_there",
)


@pytest.fixture(scope="session")
def rorqual_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Its store has been through a kill in mid-push: all that the suite claims holds after one."""
    root = tmp_path_factory.mktemp("registry")
    with running_registry(root) as first:
        kill_in_mid_push(first)
    with running_registry(root) as registry:
        yield registry


def kill_in_mid_push(registry: Registry) -> None:
    name = "suite/killed"
    assert registry.push_manifest(name, "1", registry.image(name, "before")).status == 201
    head = f"PATCH {registry.begin(name)} HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n"
    host, _, port = registry.address.partition(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(head.encode() + bytes(5_000_000))
        assert registry.process is not None
        registry.process.kill()
        registry.process.wait()


@pytest.fixture(scope="session")
def debian_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running_debian_registry(tmp_path_factory.mktemp("debian")) as registry:
        yield registry


@pytest.fixture(params=["rorqual", "debian"])
def registry(request: pytest.FixtureRequest) -> Registry:
    """Debian's is version 2.8, from before OCI 1.1: what it hasn't is marked `rorqual_only` on the test."""
    node = request.node
    if request.param == "debian" and (
        node.get_closest_marker("rorqual_only") or any(text in node.name for text in DEBIAN_FAILS)
    ):
        pytest.skip("docker-registry 2.8 has not this")
    found: Registry = request.getfixturevalue(f"{request.param}_registry")
    return found


@pytest.fixture
def name() -> str:
    """A repository that no other test uses."""
    return f"suite/repository-{next(COUNT)}"
