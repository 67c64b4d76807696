"""The distribution suite's subject: our registry and Debian's in turn, one process of each for all the tests."""

from __future__ import annotations

import itertools
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
    with running_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


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
