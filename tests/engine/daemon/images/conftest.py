"""One registry of ours for the room's tests, with names that no other test uses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.registries import Registry, running_registry

COUNT = itertools.count(1)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def name() -> str:
    return f"pulled/repository-{next(COUNT)}"
