"""Containers for the steps of builds: protocols.Steps. Made, run once to the end with its output heard, and removed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio

from engine.api.container_config import ContainerConfig
from engine.api.containers import ContainerCreate
from engine.api.frames import Stream
from engine.daemon.containers.attaching import Place
from engine.daemon.containers.creation import Creation
from engine.daemon.containers.lifecycle import Lifecycle
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry
from engine.daemon.protocols import Heard, ImageRecord


class StepContainer:
    """protocols.Step."""

    def __init__(self, rooms: Rooms, lifecycle: Lifecycle, entry: Entry) -> None:
        self._rooms = rooms
        self._lifecycle = lifecycle
        self._entry = entry

    @property
    def id(self) -> str:
        return self._entry.id

    @property
    def kept(self) -> bool:
        return not self._entry.container.step

    def keep(self) -> None:
        self._entry.container.step = False
        self._rooms.shelf.save(self._entry)

    async def run(self, heard: Heard) -> int:
        entry, place = self._entry, Place()
        # those of this run: each end puts new ones in their places
        exited, cleaned = entry.exited, entry.cleaned
        entry.waiting.append(place.give)
        try:
            await self._lifecycle.start(entry)
            attachment = await place.wait()
            while attachment is not None and (frame := await attachment.receive()) is not None:
                await heard(frame.stream is Stream.STDERR, frame.data)
        finally:
            if place.give in entry.waiting:
                entry.waiting.remove(place.give)
            if place.got is not None:
                place.got.close()
        code = await exited.wait()
        await cleaned.wait()
        return code


class Steps:
    def __init__(self, rooms: Rooms, creation: Creation, lifecycle: Lifecycle) -> None:
        self._rooms = rooms
        self._creation = creation
        self._lifecycle = lifecycle

    @asynccontextmanager
    async def step(
        self, base: ImageRecord, config: ContainerConfig, host: Mapping[str, Any]
    ) -> AsyncIterator[StepContainer]:
        body = cast(ContainerCreate, {**config, "Image": base.id, "HostConfig": dict(host)})
        made = await self._creation.create(body, base=base)
        step = StepContainer(self._rooms, self._lifecycle, self._rooms.shelf.get(made["Id"]))
        try:
            yield step
        finally:
            if not step.kept:
                with anyio.CancelScope(shield=True):
                    await self._lifecycle.remove(self._rooms.shelf.get(step.id), force=True, volumes=True)
