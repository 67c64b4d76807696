"""A host for the networks' tests: a namespace of the test's own, and a daemon's folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.engine.daemon.networks.netns import Host, own_netns


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with own_netns():
        host = Host(tmp_path)
        yield host
        host.end()
        anyio.run(end_steward, host)


async def end_steward(host: Host) -> None:
    async with host.open() as networks:
        await networks.steward.end()
