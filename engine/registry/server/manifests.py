"""A manifest as a registry reads it: what type it is of, what it needs, what it is about. Pure.

Source: OCI image-spec v1.1, manifest.md and image-index.md; Docker's image manifest version 2, schema 2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.oci.digest import Digest
from engine.registry.server.faults import ManifestInvalid, SizeInvalid
from engine.registry.server.names import parse_digest

LARGEST = 8 << 20
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
KNOWN = frozenset({OCI_MANIFEST, OCI_INDEX, OCI_ARTIFACT, DOCKER_MANIFEST, DOCKER_LIST})
# Layers that lie elsewhere by their nature: a registry needn't have them.
ELSEWHERE = ("application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign.")


@dataclass(frozen=True, slots=True)
class Manifest:
    """`blobs` are what it can't be used without; `manifests` those that an index names."""

    media_type: str
    size: int
    blobs: tuple[Digest, ...] = ()
    manifests: tuple[Digest, ...] = ()
    subject: Digest | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        return {
            "media_type": self.media_type,
            "size": self.size,
            "blobs": [str(digest) for digest in self.blobs],
            "manifests": [str(digest) for digest in self.manifests],
            "subject": str(self.subject) if self.subject else None,
            "artifact_type": self.artifact_type,
            "annotations": dict(self.annotations),
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Manifest:
        return cls(
            media_type=record["media_type"],
            size=record["size"],
            blobs=tuple(Digest.parse(text) for text in record["blobs"]),
            manifests=tuple(Digest.parse(text) for text in record["manifests"]),
            subject=Digest.parse(record["subject"]) if record["subject"] else None,
            artifact_type=record["artifact_type"],
            annotations=record["annotations"],
        )

    def descriptor(self, digest: Digest) -> dict[str, Any]:
        """As the list of referrers shows it."""
        shown: dict[str, Any] = {"mediaType": self.media_type, "digest": str(digest), "size": self.size}
        if self.artifact_type:
            shown["artifactType"] = self.artifact_type
        if self.annotations:
            shown["annotations"] = dict(self.annotations)
        return shown


def read_manifest(content: bytes, content_type: str) -> Manifest:
    """Raises ManifestInvalid, DigestInvalid, SizeInvalid. `content_type` is the request's, empty for none."""
    if len(content) > LARGEST:
        raise SizeInvalid(f"the manifest is larger than {LARGEST} bytes", status=413)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"the manifest is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ManifestInvalid("the manifest must be a JSON object")
    media_type = type_of(document, content_type.partition(";")[0].strip().lower())
    if document.get("schemaVersion", 2) != 2:
        raise ManifestInvalid("only manifests of schemaVersion 2 are served")
    if "manifests" in document and ("layers" in document or "config" in document):
        # one document that two clients would read as two things
        raise ManifestInvalid('a manifest can\'t have both "manifests" and "config" or "layers"')
    subject = descriptor_of(document["subject"], "subject") if document.get("subject") is not None else None
    annotations = document.get("annotations") or {}
    if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
        raise ManifestInvalid('"annotations" must be a map of texts')
    blobs, manifests, fallback = contents(document, media_type)
    artifact_type = document.get("artifactType") or fallback
    if not isinstance(artifact_type, str):
        raise ManifestInvalid('"artifactType" must be a text')
    return Manifest(
        media_type=media_type,
        size=len(content),
        blobs=blobs,
        manifests=manifests,
        subject=subject[0] if subject else None,
        artifact_type=artifact_type,
        annotations=annotations,
    )


def type_of(document: Mapping[str, Any], said: str) -> str:
    inside = document.get("mediaType") or ""
    if inside and said and inside != said and said in KNOWN:
        raise ManifestInvalid(f'the manifest\'s mediaType is "{inside}", but it was sent as "{said}"')
    guess = OCI_INDEX if "manifests" in document else OCI_MANIFEST
    media_type = said if said in KNOWN else inside or (guess if said in {"", "application/json"} else said)
    if media_type not in KNOWN:
        raise ManifestInvalid(f'manifests of the type "{media_type}" are not served')
    return media_type


def contents(document: Mapping[str, Any], media_type: str) -> tuple[tuple[Digest, ...], tuple[Digest, ...], str]:
    """(blobs, manifests, the config's type)."""
    if media_type in INDEXES:
        found = descriptors(document, "manifests", required=True)
        return (), tuple(digest for digest, _ in found), ""
    if media_type == OCI_ARTIFACT:
        return tuple(digest for digest, _ in descriptors(document, "blobs")), (), ""
    config, described = descriptor_of(document.get("config"), "config")
    layers = [d for d, more in descriptors(document, "layers", required=True) if not lies_elsewhere(more)]
    return tuple(dict.fromkeys([config, *layers])), (), str(described.get("mediaType") or "")


def lies_elsewhere(descriptor: Mapping[str, Any]) -> bool:
    return bool(descriptor.get("urls")) or str(descriptor.get("mediaType")).startswith(ELSEWHERE)


def descriptors(
    document: Mapping[str, Any], key: str, *, required: bool = False
) -> list[tuple[Digest, Mapping[str, Any]]]:
    found = document.get(key)
    if found is None and (key in document or not required):
        found = []  # Go writes an empty list as null
    if not isinstance(found, list):
        raise ManifestInvalid(f'the manifest must have a list "{key}"')
    return [descriptor_of(item, f"{key}[{number}]") for number, item in enumerate(found)]


def descriptor_of(item: Any, where: str) -> tuple[Digest, Mapping[str, Any]]:
    if not isinstance(item, dict) or not isinstance(item.get("digest"), str):
        raise ManifestInvalid(f'the manifest\'s "{where}" must be a descriptor with a digest')
    size = item.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestInvalid(f'the size of the manifest\'s "{where}" must be a number of bytes')
    return parse_digest(item["digest"]), item
