"""The room of builds, opened: what a killed daemon left is gone, and builds are taken. app.py opens it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from engine.api.errors import InvalidArgument
from engine.daemon.build.bounds import CacheBounds
from engine.daemon.build.build import Build, Plan
from engine.daemon.build.cache import BuildCache
from engine.daemon.build.context import Context, extended_context, plain_context, read_dockerfile, unpack_context
from engine.daemon.build.fetching import clone, download, is_git
from engine.daemon.build.mounting import sweep
from engine.daemon.build.options import BuildOptions
from engine.daemon.build.rooms import BuildRooms
from engine.daemon.build.state import State
from engine.daemon.build.transcript import Send, Transcript
from engine.daemon.images.images import LocalImages
from engine.daemon.images.pull import Pulls
from engine.daemon.images.push import Pushes
from engine.daemon.protocols import Events, Filters, Places, Steps
from engine.daemon.snapshots.layers import Layers
from engine.daemon.snapshots.snapshots import OverlaySnapshots
from engine.daemon.snapshots.streams import is_packed
from engine.kit.bridge import Feed, run_on_stream
from engine.kit.clock import Clock

SMALL_CONTEXT = 32 << 20
SMALLEST_CACHE = 2 << 30


@dataclass(slots=True)
class Workplace:
    """One build's own folders, gone at its end."""

    scratch: Path
    run: Path


class BuildRoom:
    def __init__(self, rooms: BuildRooms) -> None:
        self.rooms = rooms
        # The builds' work folders, by name.
        self._workplaces: set[str] = set()

    @asynccontextmanager
    async def workplace(self) -> AsyncIterator[Workplace]:
        name = os.urandom(8).hex()
        place = Workplace(self.rooms.folder / name, self.rooms.run / name)
        self._workplaces.add(name)
        for folder in (place.scratch, place.run):
            folder.mkdir(parents=True, mode=0o700)
        try:
            yield place
        finally:
            with anyio.CancelScope(shield=True):
                for folder in (place.scratch, place.run):
                    await to_thread.run_sync(remove_folder, folder)
            self._workplaces.discard(name)

    def strays(self) -> list[Path]:
        """Work folders of no build that runs: for a check."""
        places = (*self.rooms.folder.iterdir(), *self.rooms.run.iterdir())
        return [path for path in places if path.name not in self._workplaces]

    async def receive(
        self, place: Workplace, options: BuildOptions, body: AsyncIterator[bytes], *, extended: bool
    ) -> tuple[Context, str]:
        """The context, and the Dockerfile's text. Raises InvalidArgument, StepFault."""
        if options.remote and not is_local(options.remote):
            return await self._remote(place, options)
        unpack = extended_context if extended else plain_context
        beginning, ended = await begin(body)
        # a small context lies in memory, where files cost a tenth; a packed one may be a bomb
        small = ended and not is_packed(beginning)
        folder = place.run / "context" if small else place.scratch
        await anyio.Path(folder).mkdir(exist_ok=True)

        def work(feed: Feed) -> Context:
            return unpack(folder, feed.next)

        context = await run_on_stream(whole(beginning, body), work)
        return context, await to_thread.run_sync(read_dockerfile, context.root, options.dockerfile)

    async def _remote(self, place: Workplace, options: BuildOptions) -> tuple[Context, str]:
        if is_git(options.remote):
            root, _ = await clone(options.remote, place.scratch)
            return Context(root), await to_thread.run_sync(read_dockerfile, root, options.dockerfile)
        found = await download(options.remote, place.scratch)
        root = place.scratch / "context"
        root.mkdir()
        head = await anyio.Path(found.path).read_bytes() if found.path.stat().st_size < 1 << 20 else b"\0"
        if b"\0" not in head and found.content_type.startswith("text/"):
            return Context(root), head.decode("utf-8", "replace")

        def unpack() -> None:
            with found.path.open("rb", buffering=0) as file:
                unpack_context(root, lambda: file.read(1 << 18))

        await to_thread.run_sync(unpack)
        return Context(root), await to_thread.run_sync(read_dockerfile, root, options.dockerfile)

    async def build(self, place: Workplace, options: BuildOptions, context: Context, plan: Plan, send: Send) -> None:
        """Tell the whole build. Raises what ended it, to be told at the end of the stream."""
        transcript = Transcript(send, [stage.number for stage in plan.stages], quiet=options.quiet)
        with self.rooms.layers.adding():
            build = Build(self.rooms, options, plan, context, transcript, scratch=place.scratch, run=place.run)
            state = await build.run()
            if build.unused_arguments and not options.quiet:
                names = " ".join(build.unused_arguments)
                await transcript.tell({"stream": f"[Warning] One or more build-args [{names}] were not consumed\n"})
            await self._finish(options, state, transcript)
            await build.export()
        if self.rooms.cache.trim(most_bytes(self.rooms.folder)):
            await self.rooms.images.collect()

    async def _finish(self, options: BuildOptions, state: State, transcript: Transcript) -> None:
        if options.labels:
            labels = {**(state.config.get("Labels") or {}), **options.labels}
            state = replace(state, config={**state.config, "Labels": labels})
        elif not state.diff_ids and not state.history:
            raise InvalidArgument("No image was generated. Is your Dockerfile empty?")
        image = await self.rooms.images.add_built(state.document, options.names, parent=state.parent)
        await transcript.tell({"aux": {"ID": image.id}})
        if options.quiet:
            await transcript.tell({"stream": f"{image.id}\n"})
            return
        await transcript.tell({"stream": f"Successfully built {image.id[7:19]}\n"})
        for name in options.names:
            await transcript.tell({"stream": f"Successfully tagged {name}\n"})

    # --- the cache, as others see it
    def usage(self) -> list[Mapping[str, Any]]:
        """For /system/df. Blocks for moments."""
        return list(self.rooms.cache.listed(self.rooms.images.index.tops()))

    async def prune(self, filters: Filters, *, all: bool, bounds: CacheBounds, now: float) -> dict[str, Any]:
        """Drop what no build uses; without `all` only what no image needs → CachesDeleted and SpaceReclaimed."""
        shown = await to_thread.run_sync(self.usage)
        chosen = [entry for entry in shown if not entry["InUse"] and (all or not entry["Shared"])]
        chosen = [entry for entry in chosen if fits(entry, filters, now)]
        space = os.statvfs(self.rooms.folder)
        chosen = over(shown, chosen, bounds, free_bytes=space.f_bavail * space.f_frsize)
        before = total_size(self.rooms.layers)
        folders = self.rooms.cache.forget(chosen)
        freed = sum(entry["Size"] for entry in chosen if entry["Type"] == "exec.cachemount")
        for folder in folders:
            await to_thread.run_sync(remove_folder, folder)
        await self.rooms.images.collect()
        freed += before - total_size(self.rooms.layers)
        self.rooms.events.publish("builder", "prune", "", {"reclaimed": str(freed)})
        return {"CachesDeleted": [entry["ID"] for entry in chosen] or None, "SpaceReclaimed": freed}


async def begin(body: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """The first bytes of a stream, up to SMALL_CONTEXT or a little more, and whether they are all of it."""
    pieces: list[bytes] = []
    size = 0
    while size <= SMALL_CONTEXT:
        try:
            piece = await anext(body)
        except StopAsyncIteration:
            return b"".join(pieces), True
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces), False


async def whole(beginning: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if beginning:
        yield beginning
    async for piece in rest:
        yield piece


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def most_bytes(folder: Path) -> int:
    """What the cache may take of the disk: a tenth of it, and two gigabytes at least."""
    space = os.statvfs(folder)
    return max(space.f_blocks * space.f_frsize // 10, SMALLEST_CACHE)


def is_local(remote: str) -> bool:
    """What some clients send for "the body is the context"."""
    return remote in ("client-session", "-")


def total_size(layers: Layers) -> int:
    return sum({layer.folder: layer.size for layer in layers.all()}.values())


def fits(entry: Mapping[str, Any], filters: Filters, now: float) -> bool:
    """`until` in seconds before now has been read by the route; `id` and `type` as they are."""
    if (until := filters.get("until")) and entry["LastUsedAt"] > now - float(until[0]):
        return False
    if (ids := filters.get("id")) and not any(entry["ID"].startswith(id) for id in ids):
        return False
    return not (kinds := filters.get("type")) or entry["Type"] in kinds


def over(
    shown: Sequence[Mapping[str, Any]], chosen: Sequence[Mapping[str, Any]], bounds: CacheBounds, *, free_bytes: int
) -> list[Mapping[str, Any]]:
    """Of the chosen ones as many, those unused for longest first, as bring the cache within the bounds."""
    size, found = sum(entry["Size"] for entry in shown), []
    keep_bytes = bounds.kept(size, free_bytes)
    if not keep_bytes:
        return list(chosen)
    for entry in sorted(chosen, key=lambda entry: entry["LastUsedAt"]):
        if size <= keep_bytes:
            break
        found.append(entry)
        size -= entry["Size"]
    return found


def open_builds(
    places: Places,
    *,
    cache: BuildCache,
    images: LocalImages,
    layers: Layers,
    snapshots: OverlaySnapshots,
    steps: Steps,
    events: Events,
    clock: Clock,
    pulls: Pulls,
    pushes: Pushes,
) -> BuildRoom:
    """Take away what a killed daemon left of its builds, then the room."""
    folder, run = places.root / "builds", places.run / "builds"
    sweep(run)
    for each in (folder, run):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir(parents=True, mode=0o700)
    return BuildRoom(BuildRooms(images, layers, snapshots, steps, cache, events, clock, folder, run, pulls, pushes))
