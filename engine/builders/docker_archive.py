"""The archive that `docker load` reads, written as a stream: config, layers, manifest.json; never wholly in memory."""

from __future__ import annotations

import json
import tarfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from engine.builders.tar_stream import END_OF_ARCHIVE, file_chunks, header
from engine.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A layer in a file of this machine; packed or not, `size` bytes from `offset`."""

    path: Path
    size: int
    name: str
    offset: int = 0


async def docker_archive(config: bytes, layers: Sequence[LayerFile], tags: Sequence[str]) -> AsyncIterator[bytes]:
    """One image in docker-archive form. Layers from the lowest up, named apart by `name` (their digest's hex)."""
    config_name = f"{Digest.of(config).encoded}.json"
    manifest = [{"Config": config_name, "RepoTags": list(tags), "Layers": [layer_name(layer) for layer in layers]}]
    async for chunk in content(config_name, config):
        yield chunk
    sent: set[str] = set()
    for layer in layers:
        if layer.name in sent:
            continue
        sent.add(layer.name)
        yield header(entry(layer_name(layer), layer.size))
        async for chunk in file_chunks(anyio.Path(layer.path), layer.size, layer.offset):
            yield chunk
    async for chunk in content("manifest.json", json.dumps(manifest).encode()):
        yield chunk
    yield END_OF_ARCHIVE


def layer_name(layer: LayerFile) -> str:
    return f"{layer.name}/layer.tar"


def entry(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


async def content(name: str, data: bytes) -> AsyncIterator[bytes]:
    yield header(entry(name, len(data)))
    yield data + bytes(-len(data) % tarfile.BLOCKSIZE)
