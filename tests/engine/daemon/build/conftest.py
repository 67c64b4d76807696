"""The engine that the tests of builds build on."""

from __future__ import annotations

import pytest

from tests.engine.daemon.build.building import Builds
from tests.engines import RunningEngine


@pytest.fixture(scope="session")
def builds(rorqual_engine: RunningEngine) -> Builds:
    return Builds(rorqual_engine)
