"""Layers on their way from registries: each once, however many pulls want it, unpacked as it comes, its digest checked.

A download lives in a task of its own, as long as one pull wants it: the client who asked first may leave, the others
get theirs. Nothing of a failed or given-up one stays. Called by images.pull.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from engine.daemon.faults import leaf_of
from engine.daemon.snapshots.layers import Fresh, Layers
from engine.kit.bridge import Feed, run_on_stream
from engine.oci.digest import Digest
from engine.registry.client.faults import Damaged
from engine.registry.client.remote import Remote

# Layers of all pulls together that are on their way at the same time.
MOST_AT_ONCE = 6
# How often progress is told, in seconds.
TELL_SECONDS = 0.1

# (what, bytes so far, bytes in all)
Listener = Callable[[str, int, int], None]
DOWNLOADING, VERIFYING, COMPLETE = "Downloading", "Verifying Checksum", "Download complete"


@dataclass(frozen=True, slots=True)
class LayerDescriptor:
    digest: Digest
    size: int
    media_type: str


@dataclass(slots=True)
class Download:
    descriptor: LayerDescriptor
    listeners: list[Listener] = field(default_factory=list)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    fresh: Fresh | None = None
    fault: BaseException | None = None

    def tell(self, what: str, current: int) -> None:
        for listener in self.listeners:
            listener(what, current, self.descriptor.size)

    async def finished(self) -> Fresh:
        """Raises what made it fail: RemoteFault's classes, TarFault, OSError."""
        await self.ended.wait()
        if self.fresh is None:
            raise self.fault or Damaged("the download was given up")
        return self.fresh


class Downloads:
    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._downloads: dict[Digest, Download] = {}
        self._room = anyio.Semaphore(MOST_AT_ONCE)
        self._tasks: TaskGroup | None = None

    async def run(self) -> None:
        """A loop of the daemon: downloads are its children."""
        async with anyio.create_task_group() as self._tasks:
            await anyio.sleep_forever()

    @asynccontextmanager
    async def joined(self, remote: Remote, descriptor: LayerDescriptor, listener: Listener) -> AsyncIterator[Download]:
        """The layer's download, begun here or by somebody else; at the block's end a layer in no chain goes."""
        found = self._downloads.get(descriptor.digest)
        if found is None or found.fault is not None:
            assert self._tasks is not None, "the daemon runs the downloads' loop before it serves"
            found = self._downloads[descriptor.digest] = Download(descriptor)
            self._tasks.start_soon(self._download, remote, found)
        found.listeners.append(listener)
        try:
            yield found
        finally:
            found.listeners.remove(listener)
            if not found.listeners:
                await self._give_up(found)

    async def _give_up(self, download: Download) -> None:
        if self._downloads.get(download.descriptor.digest) is download:
            del self._downloads[download.descriptor.digest]
        download.scope.cancel()
        with anyio.CancelScope(shield=True):
            await download.ended.wait()
            if download.fresh is not None:
                await to_thread.run_sync(self._layers.discard, download.fresh)

    async def _download(self, remote: Remote, download: Download) -> None:
        try:
            with download.scope:
                async with self._room:
                    download.fresh = await self._unpack(remote, download)
        except Exception as error:
            download.fault = leaf_of(error)
        finally:
            download.ended.set()

    async def _unpack(self, remote: Remote, download: Download) -> Fresh:
        descriptor = download.descriptor
        fresh: list[Fresh] = []

        def work(feed: Feed) -> Fresh:
            packed = hashlib.new(descriptor.digest.algorithm)

            def hashed() -> bytes:
                piece = feed.next()
                packed.update(piece)
                return piece

            made = self._layers.unpack(hashed)
            while hashed():
                pass  # what comes behind the layer's end is part of its digest
            if packed.hexdigest() != descriptor.digest.encoded:
                self._layers.discard(made)
                raise Damaged(f"filesystem layer verification failed for digest {descriptor.digest}")
            fresh.append(made)
            return made

        try:
            return await run_on_stream(self._pieces(remote, download), work)
        except BaseException:
            for made in fresh:
                self._layers.discard(made)
            raise

    async def _pieces(self, remote: Remote, download: Download) -> AsyncIterator[bytes]:
        """The blob, its progress told now and then."""
        descriptor = download.descriptor
        current, told = 0, 0.0
        async with aclosing(remote.blob(descriptor.digest, descriptor.size)) as pieces:
            async for piece in pieces:
                current += len(piece)
                if (now := anyio.current_time()) - told >= TELL_SECONDS:
                    told = now
                    download.tell(DOWNLOADING, current)
                yield piece
        download.tell(DOWNLOADING, current)
        download.tell(VERIFYING, current)
        download.tell(COMPLETE, current)
