"""What the builds' room is given: the other rooms, and where its own files lie."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
from anyio import to_thread

from engine.credentials.config import Credentials, registry_of, server_key
from engine.daemon.build.cache import BuildCache
from engine.daemon.build.faults import StepFault
from engine.daemon.build.state import State, of_image, of_scratch
from engine.daemon.images.images import LocalImages
from engine.daemon.images.moments import rfc3339
from engine.daemon.images.pull import Pulls
from engine.daemon.images.push import Pushes
from engine.daemon.protocols import Events, ImageRecord, Steps
from engine.daemon.snapshots.layers import Layers
from engine.daemon.snapshots.snapshots import OverlaySnapshots
from engine.kit.clock import Clock
from engine.oci.platform import Platform

MOST_LINES = 10_000
Show = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BuildRooms:
    """`folder` is on the disk, `run` in memory; both are emptied at the daemon's start."""

    images: LocalImages
    layers: Layers
    snapshots: OverlaySnapshots
    steps: Steps
    cache: BuildCache
    events: Events
    clock: Clock
    folder: Path
    run: Path
    pulls: Pulls
    pushes: Pushes

    def moment(self, epoch: int | None) -> str:
        """Now, as an image's JSON has it; SOURCE_DATE_EPOCH where the build has it."""
        return rfc3339(self.clock.now() if epoch is None else epoch)

    async def image(
        self, name: str, *, fresh: bool, credentials: Mapping[str, Mapping[str, str]], show: Show, platform: Platform
    ) -> ImageRecord:
        """The image that a FROM or --from names: pulled where it is not here, or a fresh one is asked for."""
        found = self.images.find(name)
        if found is None or (fresh and not is_id(name, found)):
            found = await self._pulled(name, credentials, show)
        check_platform(found, platform, name)
        return found

    async def _pulled(self, name: str, credentials: Mapping[str, Mapping[str, str]], show: Show) -> ImageRecord:
        host = registry_of(name)
        known = credentials.get(host) or credentials.get(server_key(host))
        send, receive = anyio.create_memory_object_stream[Mapping[str, Any]](MOST_LINES)

        def told(line: Mapping[str, Any]) -> None:
            with suppress(anyio.WouldBlock):  # a line of progress more or less
                send.send_nowait(line)

        async def speak() -> None:
            async for line in receive:
                await show(line)

        found: list[ImageRecord] = []
        async with receive, anyio.create_task_group() as tasks:
            tasks.start_soon(speak)
            async with send:
                found.append(await self.pulls.pull(name, credentials=cast(Credentials | None, known), told=told))
        return found[0]

    def begin(self, image: ImageRecord | None) -> State:
        """A stage's first state; `image` None is scratch."""
        if image is not None:
            return of_image(image)
        here = Platform.here()
        base = {"architecture": here.architecture, "os": here.os}
        return of_scratch({**base, **({"variant": here.variant} if here.variant else {})})

    def hold(self, state: State) -> None:
        """Its layers stay as long as the build runs, whatever is removed and pruned meanwhile."""
        if state.diff_ids:
            below = state.chain_ids[-2] if len(state.chain_ids) > 1 else ""
            self.layers.append_known(below, state.diff_ids[-1])

    @asynccontextmanager
    async def view(self, top: str) -> AsyncIterator[Path]:
        """A chain's files, read-only; an empty folder for none."""
        if top:
            async with self.snapshots.view(top) as path:
                yield path
            return
        empty = self.folder / "empty"
        await to_thread.run_sync(lambda: empty.mkdir(exist_ok=True))
        yield empty

    async def changed(self, state: State, epoch: int | None, work: Callable[[Path], None]) -> tuple[str, int]:
        """What `work` changes in the state's root, in a thread, as a layer over it → its DiffID and size."""
        key = f"build-{os.urandom(12).hex()}"
        await self.snapshots.prepare(key, state.top or None)
        try:
            async with self.snapshots.mounted(key) as root:
                await to_thread.run_sync(work, root)
            return await self.layer(key, state, epoch)
        finally:
            with anyio.CancelScope(shield=True):
                await self.snapshots.remove(key)

    async def layer(self, key: str, state: State, epoch: int | None) -> tuple[str, int]:
        """The snapshot, which is not mounted, as a layer over the state's. It stays, as it was when it was made."""
        latest = None if epoch is None else epoch * 1_000_000_000
        fresh = await self.snapshots.take(key, latest)

        def append() -> tuple[str, int]:
            try:
                layer = self.layers.append(state.top, fresh)
                return layer.diff_id, layer.size
            finally:
                self.layers.discard(fresh)

        return await to_thread.run_sync(append)


def is_id(name: str, image: ImageRecord) -> bool:
    return image.id.removeprefix("sha256:").startswith(name.removeprefix("sha256:"))


def check_platform(image: ImageRecord, platform: Platform, name: str) -> None:
    """Raises StepFault for an image of another machine's kind."""
    theirs = str(image.document.get("architecture") or platform.architecture)
    if theirs != platform.architecture:
        raise StepFault(f"{name} is an image for {theirs}: this engine builds for {platform} alone")
