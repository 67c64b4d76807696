"""Where a build's files come from: the context, named contexts, other stages, images. One name, one origin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.daemon.build.context import Context
from engine.daemon.build.remotes import Remotes
from engine.daemon.build.rooms import BuildRooms
from engine.daemon.build.state import State
from engine.daemon.protocols import ImageRecord
from engine.dockerfile.parse import Dockerfile, Stage
from engine.dockerfile.stages import earlier

ImageNamed = Callable[[str], Awaitable[ImageRecord]]
StageDone = Callable[[int], Awaitable[State]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Either a folder of the build's, or a chain of layers (`top`, "" for none)."""

    top: str = ""
    folder: Path | None = None


class Sources:
    """As one stage sees them. `done` waits for an earlier stage; `image` finds or pulls one."""

    def __init__(
        self,
        rooms: BuildRooms,
        dockerfile: Dockerfile,
        stage: Stage,
        context: Context,
        remotes: Remotes,
        *,
        done: StageDone,
        image: ImageNamed,
    ) -> None:
        self._rooms = rooms
        self._dockerfile = dockerfile
        self._stage = stage
        self.context = context
        self._remotes = remotes
        self._done = done
        self._image = image

    async def origin(self, name: str) -> Origin:
        """ "" is the context itself. Raises NotFound, StepFault for an image that can't be had."""
        if not name:
            return Origin(folder=self.context.root)
        found = earlier(self._dockerfile, self._stage, name)
        if found is not None:
            return Origin((await self._done(found.number)).top)
        if name in self.context.named:
            return Origin(folder=self.context.named[name])
        if name in self._remotes:
            return Origin(folder=await self._remotes.folder(name))
        if name == "scratch":
            return Origin()
        image = await self._image(self.context.extension.images.get(name, name))
        return Origin(image.top or "")

    @asynccontextmanager
    async def opened(self, origin: Origin) -> AsyncIterator[Path]:
        if origin.folder is not None:
            yield origin.folder
            return
        async with self._rooms.view(origin.top) as path:
            yield path
