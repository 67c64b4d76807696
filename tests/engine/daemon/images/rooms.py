"""The images' room alone, without a daemon around it, on a folder of its own; and images put together by hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import zstandard

from engine.daemon.content.blobs import Blobs
from engine.daemon.events import EventBus
from engine.daemon.images.images import LocalImages
from engine.daemon.images.index import ImageIndex
from engine.daemon.images.pull import Pulls
from engine.daemon.images.push import Pushes
from engine.daemon.protocols import Users
from engine.daemon.snapshots.layers import Layers
from engine.daemon.snapshots.snapshots import OverlaySnapshots
from engine.daemon.store.records import RecordStore
from engine.kit.clock import SystemClock
from engine.registry.client.policy import Policy
from engine.registry.client.registries import Registries
from tests.engine.daemon.tars import digest, folder, member, tar_of
from tests.registries import Registry, digest_of

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Room:
    images: LocalImages
    pulls: Pulls
    pushes: Pushes

    def files(self, name: str) -> dict[str, bytes]:
        """Every regular file of the image's layers, by path."""
        image = self.images.get(name)
        assert image.top is not None
        roots = reversed(self.images.layers.folders(image.top))
        return {str(p.relative_to(root)): p.read_bytes() for root in roots for p in root.rglob("*") if p.is_file()}


@asynccontextmanager
async def opened_room(root: Path, policy: Policy | None = None) -> AsyncIterator[Room]:
    store = RecordStore(root / "records.db")
    try:
        clock = SystemClock()
        events, blobs, layers = EventBus(clock), Blobs(root / "content"), Layers(root / "layers", store)
        snapshots = OverlaySnapshots(root / "snapshots", root / "run", layers, store)
        index = ImageIndex(store, blobs, layers)
        images = LocalImages(index, layers, blobs, snapshots, events, Users(), clock)
        registries = Registries(policy or Policy())
        pulls = Pulls(index, layers, blobs, store, events, clock, registries)
        images.also_kept.append(pulls.kept)
        await images.collect()
        async with aclosing(registries), anyio.create_task_group() as tasks:
            tasks.start_soon(pulls.downloads.run)
            pushes = Pushes(index, layers, blobs, pulls.sources, events, clock, registries)
            yield Room(images, pulls, pushes)
            tasks.cancel_scope.cancel()
    finally:
        store.close()


def layer(text: str, files: int = 3) -> bytes:
    """A plain tar."""
    named = [member(f"data/{text}-{number}", content=f"{text} {number}\n".encode() * 50) for number in range(files)]
    return tar_of(folder("data"), *named)


def packed(tar: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(tar, mtime=0)
    return zstandard.compress(tar) if how == "zstd" else tar


def config_for(tars: Sequence[bytes], **more: Any) -> bytes:
    diff_ids = [digest(tar) for tar in tars]
    platform = {"architecture": "amd64", "os": "linux"}
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    return json.dumps({**platform, "config": {"Cmd": ["sh"]}, "rootfs": rootfs, **more}).encode()


def pushed_image(
    registry: Registry, name: str, tag: str, tars: Sequence[bytes], how: str = "gzip", **config: Any
) -> dict[str, Any]:
    """An image made by hand, in the registry under the tag → its manifest."""
    ending = {"gzip": "+gzip", "zstd": "+zstd", "plain": ""}[how]
    layers = []
    for tar in tars:
        content = packed(tar, how)
        layers.append({"mediaType": LAYER + ending, "digest": registry.push_blob(name, content), "size": len(content)})
    content = config_for(tars, **config)
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(content)}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {**described, "digest": registry.push_blob(name, content)},
        "layers": layers,
    }
    answer = registry.push_manifest(name, tag, document)
    assert answer.status == 201, answer
    return document


def digest_in(document: Mapping[str, Any]) -> str:
    return digest_of(json.dumps(document).encode())
