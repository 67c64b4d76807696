"""What a registry answered: read whole and within bounds, and as what it says it is. Called by Remote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio

from engine.http.errors import ConnectionLost, HttpFault
from engine.http.message import Response
from engine.oci.digest import LENGTHS, Digest
from engine.registry.client.faults import Damaged, Unreachable

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
# A registry that sends nothing for so long is as good as gone.
STALL_SECONDS = 60.0


async def received(response: Response) -> bytes:
    """The next piece, empty at the end. Raises ConnectionLost for a registry that sends nothing on."""
    try:
        with anyio.fail_after(STALL_SECONDS):
            return await response.receive()
    except TimeoutError as error:
        raise ConnectionLost(f"nothing came for {STALL_SECONDS:g} seconds", answered=True) from error


async def whole(response: Response, limit: int, what: str) -> bytes:
    content = bytearray()
    try:
        while piece := await received(response):
            content += piece
            if len(content) > limit:
                raise Damaged(f"{what} is larger than {limit} bytes")
    except HttpFault as fault:
        raise Unreachable(f"{what} broke off: {fault}") from fault
    return bytes(content)


def check_size(response: Response, digest: Digest, offset: int, size: int | None) -> int | None:
    """The blob's size, as the descriptor or the registry says it. Raises Damaged when they don't agree."""
    text = response.headers.get("content-length", "")
    said = int(text) + offset if text.isdigit() else None
    if said is not None and size is not None and said != size:
        raise Damaged(f"the registry has {said} bytes for {digest}, and the manifest says {size}")
    return size if size is not None else said


def said_digest(response: Response) -> Digest | None:
    try:
        digest = Digest.parse(response.headers.get("docker-content-digest", ""))
    except ValueError:
        return None
    return digest if digest.algorithm in LENGTHS else None


def typed(content: bytes, content_type: str, what: str) -> tuple[str, bytes, Mapping[str, Any]]:
    """(media type, content, document). Raises Damaged."""
    document = as_object(content, f"the manifest {what}")
    media_type = document.get("mediaType") or content_type.partition(";")[0].strip()
    if media_type not in {OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST}:
        media_type = OCI_INDEX if "manifests" in document else OCI_MANIFEST if "layers" in document else media_type
    return str(media_type), content, document


def as_object(content: bytes, what: str) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{what} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Damaged(f"{what} is not a JSON object")
    return found
