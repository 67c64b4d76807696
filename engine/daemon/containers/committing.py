"""commit: what a container changed in its file system, as a new image over its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import anyio

from engine.api.container_config import ContainerConfig
from engine.api.errors import Conflict, EngineError
from engine.daemon.containers.phase import Phase
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry
from engine.daemon.images.instructions import applied

# What belongs to the container and not to what it is made of.
OWN = ("Hostname", "Domainname", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce")


class Committing:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def commit(
        self,
        entry: Entry,
        *,
        repository: str | None,
        tag: str | None,
        comment: str,
        author: str,
        pause: bool,
        changes: Sequence[str],
        config: dict[str, Any],
    ) -> str:
        """→ the image's id. Raises Conflict for one that is being removed, InvalidArgument for a change."""
        rooms, container = self._rooms, entry.container
        if entry.phase in (Phase.REMOVING, Phase.DEAD):
            raise Conflict(f"You cannot commit container {container.id} which is {entry.phase.value}")
        base: dict[str, Any] = {**container.config, **{key: value for key, value in config.items() if value}}
        made = cast(ContainerConfig, {**applied(cast(ContainerConfig, base), changes), "Image": container.image})
        async with entry.lock:
            frozen = pause and entry.phase is Phase.RUNNING
            if frozen:
                await rooms.runtime.freeze(entry.id, frozen=True)
            try:
                image = await rooms.images.commit(
                    parent=rooms.images.find(container.image),
                    snapshot=container.id,
                    config=made,
                    repository=repository or None,
                    tag=tag or None,
                    comment=comment,
                    author=author,
                    created_by=" ".join(container.command),
                    container=container.id,
                    made_in=container.config,
                )
            finally:
                if frozen:
                    with anyio.CancelScope(shield=True):
                        await self._thaw(entry)
        rooms.tell(entry, "commit", {"comment": comment, "imageID": image, "imageRef": repository or ""})
        return image

    async def _thaw(self, entry: Entry) -> None:
        try:
            await self._rooms.runtime.freeze(entry.id, frozen=False)
        except EngineError:
            return  # it has ended meanwhile
