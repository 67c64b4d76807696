"""What the tests of the daemon's API share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines import RunningEngine, running_rorqual, short_folder


@pytest.fixture(scope="module")
def engine() -> Iterator[RunningEngine]:
    """A daemon of a module's own, with the image of the tests in it and nothing else."""
    with short_folder() as place, running_rorqual(place) as engine:
        yield engine
