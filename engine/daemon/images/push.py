"""Pushing: what the registry hasn't is packed and sent, layers side by side, the manifest last.

A layer that the registry has under a digest that we remember is not packed again; one that it has in another
repository is mounted. Packed layers are made as they are sent: nothing of them lies on the disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import anyio
from isal import isal_zlib

from engine.api.errors import InvalidArgument, NotFound
from engine.credentials.config import Credentials
from engine.daemon.content.blobs import Blobs
from engine.daemon.faults import leaf_of
from engine.daemon.images.index import ImageIndex
from engine.daemon.images.pull_progress import Told, status_line
from engine.daemon.images.registry_words import error_of
from engine.daemon.images.sources import LayerSource, LayerSources
from engine.daemon.protocols import Events, ImageRecord
from engine.daemon.snapshots.layers import Layers
from engine.kit.bridge import pieces_from_thread
from engine.kit.clock import Clock
from engine.oci.digest import Digest
from engine.oci.reference import Reference
from engine.registry.client.answers import DOCKER_MANIFEST, OCI_MANIFEST
from engine.registry.client.faults import Refused, RemoteFault, Unreachable
from engine.registry.client.registries import Registries
from engine.registry.client.remote import Remote

MOST_AT_ONCE = 3
MOST_TRIES = 3
BATCH = 1 << 20
TELL_SECONDS = 0.1
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
# What Docker's schema has a name for, by the OCI's names.
AS_DOCKER = {f"{OCI_LAYER}+gzip": DOCKER_LAYER, DOCKER_LAYER: DOCKER_LAYER}


@dataclass(frozen=True, slots=True)
class Pushed:
    tag: str
    digest: Digest
    size: int


class Pushes:
    def __init__(
        self,
        index: ImageIndex,
        layers: Layers,
        blobs: Blobs,
        sources: LayerSources,
        events: Events,
        clock: Clock,
        registries: Registries,
    ) -> None:
        self._index = index
        self._layers = layers
        self._blobs = blobs
        self._sources = sources
        self._events = events
        self._clock = clock
        self._registries = registries

    def chosen(self, name: str, tag: str) -> list[tuple[Reference, ImageRecord]]:
        """What to push: one tag, or with an empty tag all of the repository. Raises NotFound, InvalidArgument."""
        try:
            parsed = Reference.parse(f"{name}:{tag}" if tag else name)
        except ValueError as error:
            raise InvalidArgument(f"invalid reference format: {error}") from error
        if parsed.digest is not None:
            raise InvalidArgument("cannot push a digest reference")
        if parsed.tag:
            image = self._index.find(parsed.familiar)
            if image is None:
                raise NotFound(
                    f"An image does not exist locally with the tag: {parsed.familiar.removesuffix(parsed.ending)}"
                )
            return [(parsed, image)]
        found = [
            (Reference.parse(own), image)
            for image in self._index.all()
            for own in image.names
            if own.rpartition(":")[0] == parsed.familiar
        ]
        if not found:
            raise NotFound(f"An image does not exist locally with the tag: {parsed.familiar}")
        return sorted(found, key=lambda pair: pair[0].tag)

    async def push(
        self, chosen: list[tuple[Reference, ImageRecord]], credentials: Credentials | None, told: Told
    ) -> list[Pushed]:
        """Raises Unauthorized, Forbidden, SystemFailure in Docker's words."""
        try:
            remote = self._registries.remote(chosen[0][0], credentials)
            return [await self._push_one(remote, reference, image, told) for reference, image in chosen]
        except RemoteFault as fault:
            raise error_of(fault) from fault
        except ExceptionGroup as group:
            leaf = leaf_of(group)
            raise (error_of(leaf) if isinstance(leaf, RemoteFault) else leaf) from group

    async def _push_one(self, remote: Remote, reference: Reference, image: ImageRecord, told: Told) -> Pushed:
        for diff_id in reversed(image.diff_ids):
            told(status_line("Preparing", short(diff_id)))
        found: dict[str, LayerSource] = {}
        room = anyio.Semaphore(MOST_AT_ONCE)

        async def one(chain_id: str, diff_id: str) -> None:
            async with room:
                found[diff_id] = await self.push_layer(remote, reference, chain_id, diff_id, told)

        async with anyio.create_task_group() as tasks:
            for chain_id, diff_id in dict(zip(image.chain_ids, image.diff_ids, strict=True)).items():
                tasks.start_soon(one, chain_id, diff_id)
        config = self._blobs.get(Digest.parse(image.id))
        await remote.put_blob(config)
        layers = [found[diff_id] for diff_id in image.diff_ids]
        media_type, content = manifest_of(image.id, len(config), layers)
        digest = await remote.put_manifest(reference.tag, media_type, content)
        self._index.name(image.id, replace(reference, tag="", digest=digest).familiar, now=self._clock.now())
        self._events.publish("image", "push", reference.familiar, {"name": reference.familiar})
        told({"status": f"{reference.tag}: digest: {digest} size: {len(content)}"})
        return Pushed(reference.tag, digest, len(content))

    async def push_layer(
        self, remote: Remote, reference: Reference, chain_id: str, diff_id: str, told: Told
    ) -> LayerSource:
        """How the registry has the layer now. Raises RemoteFault."""
        where = f"{reference.domain}/{reference.path}"
        for source in sorted(self._sources.of(diff_id), key=lambda one: one.repository != where):
            if await self._is_there(remote, reference, source, told, short(diff_id)):
                found = replace(source, repository=where)
                self._sources.remember(diff_id, found)
                return found
        for tries in range(MOST_TRIES, 0, -1):
            try:
                found = await self._send(remote, chain_id, diff_id, where, told)
                break
            except (Unreachable, Refused) as fault:
                passing = isinstance(fault, Unreachable) or fault.status >= 500 or fault.status == 401
                if not passing or tries == 1:
                    raise
                told(status_line("Retrying in 1 second", short(diff_id)))
                await anyio.sleep(1)
        self._sources.remember(diff_id, found)
        told(status_line("Pushed", short(diff_id)))
        return found

    async def _is_there(self, remote: Remote, reference: Reference, source: LayerSource, told: Told, id: str) -> bool:
        """Whether the registry has the layer that we remember, here or where it can be mounted from."""
        digest = Digest.parse(source.digest)
        if await remote.has_blob(digest, push=True) is not None:
            told(status_line("Layer already exists", id))
            return True
        domain, _, path = source.repository.partition("/")
        if domain != reference.domain or path == reference.path:
            return False
        try:
            mounted = await remote.mount(digest, path)
        except Refused:
            return False  # not ours to mount from
        if mounted:
            told(status_line(f"Mounted from {path}", id))
        return mounted

    async def _send(self, remote: Remote, chain_id: str, diff_id: str, where: str, told: Told) -> LayerSource:
        packed = Packed(self._layers, chain_id)
        total = next((layer.size for layer in [self._layers.get(chain_id)]), 0)

        async def pieces() -> AsyncIterator[bytes]:
            last = 0.0
            async with pieces_from_thread(packed.pieces) as source:
                async for piece in source:
                    if (now := anyio.current_time()) - last >= TELL_SECONDS:
                        last = now
                        told(status_line("Pushing", short(diff_id), min(packed.read, total), total))
                    yield piece

        with self._layers.lease(chain_id):
            await remote.upload(pieces(), packed.digest)
        return LayerSource(str(packed.digest()), packed.size, DOCKER_LAYER, where)


class Packed:
    """A layer's tar, gzipped as it is read: the same layer always gives the same bytes."""

    def __init__(self, layers: Layers, chain_id: str) -> None:
        self._layers = layers
        self._chain_id = chain_id
        self._hash = hashlib.sha256()
        self.size = self.read = 0

    def pieces(self) -> Iterator[bytes]:
        """Blocks."""
        machine = isal_zlib.compressobj(1, wbits=31)
        waiting, size = [], 0
        for piece in self._layers.tar(self._chain_id):
            self.read += len(piece)
            if packed := machine.compress(piece):
                waiting.append(packed)
                size += len(packed)
            if size >= BATCH:
                yield self._out(waiting)
                waiting, size = [], 0
        yield self._out([*waiting, machine.flush()])

    def _out(self, waiting: list[bytes]) -> bytes:
        piece = b"".join(waiting)
        self._hash.update(piece)
        self.size += len(piece)
        return piece

    def digest(self) -> Digest:
        return Digest("sha256", self._hash.hexdigest())


def manifest_of(config_id: str, config_size: int, layers: list[LayerSource]) -> tuple[str, bytes]:
    """(media type, content): Docker's schema 2, as its daemon pushes it; OCI's where a layer has no name in that."""
    docker = all(layer.media_type in AS_DOCKER for layer in layers)
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    to_oci = {DOCKER_LAYER: f"{OCI_LAYER}+gzip"}
    types = AS_DOCKER if docker else to_oci
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": DOCKER_CONFIG if docker else OCI_CONFIG, "size": config_size, "digest": config_id},
        "layers": [
            {
                "mediaType": types.get(layer.media_type, layer.media_type),
                "size": layer.size,
                "digest": layer.digest,
            }
            for layer in layers
        ],
    }
    return media_type, json.dumps(document, indent=3).encode()


def short(diff_id: str) -> str:
    return diff_id.partition(":")[2][:12]
