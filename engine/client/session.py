"""A session with one engine: connected, its version negotiated, its rooms at hand, closed at the end."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.api.capabilities import Capabilities
from engine.api.errors import Unavailable
from engine.client.calls import Calls
from engine.client.capabilities import kind_of, reckon, serves_distribution, serves_update
from engine.client.containers import ContainerReader, ContainerWriter
from engine.client.dialer import dialer
from engine.client.execs import ExecReader, ExecWriter
from engine.client.images import ImageReader, ImageWriter
from engine.client.networks import NetworkReader, NetworkWriter
from engine.client.system import SystemReader, SystemWriter
from engine.client.target import Target
from engine.client.volumes import VolumeReader, VolumeWriter
from engine.http.pool import Pool
from engine.kit.together import together

if TYPE_CHECKING:
    # For annotations only, as in the rooms.
    from engine.api.system import Ping

OLDEST, NEWEST = (1, 41), (1, 50)


class EngineReader:
    """The rooms that only look: what observing and a dry run get, and can't write with."""

    def __init__(
        self, target: Target, calls: Calls, environment: Mapping[str, str], known: list[Capabilities], ping: Ping
    ) -> None:
        self.target = target
        self._ping = ping
        self._calls = calls
        self._environment = environment
        # The capability set once it is known; shared by a session's views.
        self._known = known

    @property
    def api_version(self) -> tuple[int, int]:
        assert self._calls.version is not None  # open_client negotiates before it hands us out
        return self._calls.version

    @property
    def containers(self) -> ContainerReader:
        return ContainerReader(self._calls)

    @property
    def exec(self) -> ExecReader:
        return ExecReader(self._calls)

    @property
    def images(self) -> ImageReader:
        return ImageReader(self._calls, self._environment)

    @property
    def networks(self) -> NetworkReader:
        return NetworkReader(self._calls)

    @property
    def volumes(self) -> VolumeReader:
        return VolumeReader(self._calls)

    @property
    def system(self) -> SystemReader:
        return SystemReader(self._calls)

    async def capabilities(self) -> Capabilities:
        """What the engine can do; asked once a session."""
        if not self._known:
            system = SystemReader(self._calls)
            version, info = await together(system.version, system.info)
            # Docker serves both since long before our oldest version; of Podman it depends on the release.
            asks = kind_of(version) != "docker"
            update = not asks or await serves_update(replace(self._calls, looks_only=False))
            distribution = not asks or await serves_distribution(self._calls)
            self._known.append(
                reckon(version, info, self._ping, self.api_version, update=update, distribution=distribution)
            )
        return self._known[0]


class Engine(EngineReader):
    """The rooms that write too."""

    @property
    def reader(self) -> EngineReader:
        return EngineReader(self.target, self._calls, self._environment, self._known, self._ping)

    @property
    def containers(self) -> ContainerWriter:
        return ContainerWriter(self._calls)

    @property
    def exec(self) -> ExecWriter:
        return ExecWriter(self._calls)

    @property
    def images(self) -> ImageWriter:
        return ImageWriter(self._calls, self._environment)

    @property
    def networks(self) -> NetworkWriter:
        return NetworkWriter(self._calls)

    @property
    def volumes(self) -> VolumeWriter:
        return VolumeWriter(self._calls)

    @property
    def system(self) -> SystemWriter:
        return SystemWriter(self._calls)


@asynccontextmanager
async def open_client(
    target: Target, environment: Mapping[str, str] = os.environ, *, looks_only: bool = False
) -> AsyncIterator[Engine]:
    """Reach the engine and agree on a version.

    Raises Unavailable naming its address, InvalidArgument for TLS files that can't be used. `environment` is where
    DOCKER_CONFIG and ssh's sharing are looked up. With `looks_only` every call that would write raises InvalidArgument.
    """
    host = "docker" if target.scheme != "tcp" else target.url.netloc
    pool = Pool(dialer(target, environment), host=host)
    try:
        calls = Calls(pool, target.address)
        ping = await SystemReader(calls).ping()
        version = negotiate(ping["api_version"], target.address)
        yield Engine(target, replace(calls, version=version, looks_only=looks_only), environment, [], ping)
    finally:
        await pool.aclose()


def negotiate(offered: str, address: str) -> tuple[int, int]:
    """The newest version that both sides know. Raises Unavailable for an engine that is too old, or is none."""
    try:
        major, minor = offered.split(".")
        version = (int(major), int(minor))
    except ValueError:
        raise Unavailable(f"what listens at {address} is no container engine: it names no API version") from None
    if version < OLDEST:
        raise Unavailable(
            f"the engine at {address} speaks API {offered}; Rorqual needs {OLDEST[0]}.{OLDEST[1]} or newer "
            "(Docker 20.10, Podman 4)"
        )
    return min(version, NEWEST)
