"""Fixtures of every room's tests: the real engines, and asyncio as anyio's backend."""

from __future__ import annotations

import pytest

from tests.engines import busybox_image, docker_engine, podman_engine, rorqual_engine

__all__ = ["busybox_image", "docker_engine", "podman_engine", "rorqual_engine"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
