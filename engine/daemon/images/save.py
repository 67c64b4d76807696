"""Images as a tar that both kinds of reader take: a manifest.json as `docker save` writes it, and an OCI layout.

Layers lie in it once, uncompressed, under their DiffIDs: what was loaded is what is saved. Blocks; runs in a thread.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from typing import Any

from engine.daemon.content.blobs import Blobs
from engine.daemon.protocols import ImageRecord
from engine.daemon.snapshots.layers import Layers
from engine.daemon.snapshots.tarread import BLOCK
from engine.oci.digest import Digest
from engine.oci.reference import Reference

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def save_archive(images: Sequence[tuple[ImageRecord, list[str]]], blobs: Blobs, layers: Layers) -> Iterator[bytes]:
    """Each image with the names that it shall have."""
    folders = {"blobs/", "blobs/sha256/"}
    for folder in sorted(folders):
        yield head(folder, 0, tarfile.DIRTYPE, 0o755)
    sizes: dict[str, int] = {}
    docker: list[dict[str, Any]] = []
    index: list[dict[str, Any]] = []
    written: set[str] = set()
    for image, names in images:
        for chain_id, diff_id in zip(image.chain_ids, image.diff_ids, strict=True):
            if diff_id not in sizes:
                sizes[diff_id] = layers.tar_size(chain_id)
                yield from member(blob(diff_id), sizes[diff_id], layers.tar(chain_id))
        config = blobs.get(Digest.parse(image.id))
        manifest = manifest_of(image, len(config), sizes)
        digest = str(Digest.of(manifest))
        for name, content in ((blob(image.id), config), (blob(digest), manifest)):
            if name not in written:
                written.add(name)
                yield from member(name, len(content), [content])
        docker.append(
            {
                "Config": blob(image.id),
                "RepoTags": names or None,
                "Layers": [blob(diff_id) for diff_id in image.diff_ids],
            }
        )
        index += descriptors(digest, len(manifest), names)
    for name, document in (
        ("index.json", {"schemaVersion": 2, "mediaType": INDEX, "manifests": index}),
        ("manifest.json", docker),
        ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
        ("repositories", repositories(images)),
    ):
        content = json.dumps(document, separators=(",", ":")).encode()
        yield from member(name, len(content), [content])
    yield bytes(2 * BLOCK)


def blob(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def manifest_of(image: ImageRecord, config_size: int, sizes: dict[str, int]) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": image.id, "size": config_size},
        "layers": [{"mediaType": LAYER, "digest": diff_id, "size": sizes[diff_id]} for diff_id in image.diff_ids],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def descriptors(digest: str, size: int, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One for each name, one without for an image that has none."""
    plain = {"mediaType": MANIFEST, "digest": digest, "size": size}
    for name in names:
        whole = Reference.parse(name)
        annotations = {"io.containerd.image.name": str(whole), "org.opencontainers.image.ref.name": whole.tag}
        yield {**plain, "annotations": annotations}
    if not names:
        yield plain


def repositories(images: Sequence[tuple[ImageRecord, list[str]]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for image, names in images:
        for name in names:
            repository, _, tag = name.rpartition(":")
            top = image.diff_ids[-1] if image.diff_ids else image.id
            found.setdefault(repository, {})[tag] = top.removeprefix("sha256:")
    return found


def member(name: str, size: int, pieces: Iterator[bytes] | list[bytes]) -> Iterator[bytes]:
    yield head(name, size)
    yield from pieces
    if size % BLOCK:
        yield bytes(-size % BLOCK)


def head(name: str, size: int, kind: bytes = tarfile.REGTYPE, mode: int = 0o644) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.mode = size, kind, mode
    return entry.tobuf(tarfile.PAX_FORMAT)
