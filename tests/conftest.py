"""Fixtures of every room's tests: the real engines, and asyncio as anyio's backend."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.engines import busybox_image, docker_engine, podman_engine, rorqual_engine

# A machine that is busy with other tests is slow, and that is no fault of what is tested.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

# A shell's background job is born deaf to Ctrl-C, and so would be what the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["busybox_image", "docker_engine", "podman_engine", "rorqual_engine"]


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """History, keys and the last-recorded engine of the tests' own: the machine's stay as they are."""
    before = os.environ.get("RORQUAL_STATE")
    os.environ["RORQUAL_STATE"] = str(tmp_path_factory.mktemp("state"))
    yield
    if before is None:
        del os.environ["RORQUAL_STATE"]
    else:
        os.environ["RORQUAL_STATE"] = before


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
