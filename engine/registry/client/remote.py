"""One repository of one registry: manifests, blobs, tags, referrers; pulled, pushed, deleted.

Everything that has a digest is checked against it. Source: OCI distribution-spec v1.1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import anyio

from engine.http.errors import ConnectionLost, HttpFault
from engine.kit.backoff import Backoff
from engine.oci.digest import LENGTHS, Digest
from engine.registry.client.answers import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    as_object,
    check_size,
    received,
    said_digest,
    typed,
    whole,
)
from engine.registry.client.faults import Damaged, Refused, Unreachable
from engine.registry.client.session import Session

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
ACCEPT = {"accept": ", ".join((OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST))}
LARGEST_MANIFEST = 8 << 20
# That many broken lines without a byte are the end.
MOST_BREAKS = 5
BACKOFF = Backoff(first=0.25, longest=8.0)
LINK = re.compile(r'<([^>]+)>\s*;.*rel="?next"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A manifest as it came. `digest` is of its bytes."""

    digest: Digest
    media_type: str
    content: bytes
    document: Mapping[str, Any]


class Remote:
    """`session` belongs to the registry; `path` is the repository's name there."""

    def __init__(self, session: Session, path: str) -> None:
        self.session = session
        self.path = path
        self._pull, self._push = f"repository:{path}:pull", f"repository:{path}:pull,push"

    # --- manifests
    async def manifest(self, reference: str | Digest) -> Fetched:
        """By tag or digest. Raises Refused (404, MANIFEST_UNKNOWN), Unreachable, Damaged."""
        async with self.session.ask(
            "GET", f"/v2/{self.path}/manifests/{reference}", scope=self._pull, headers=ACCEPT
        ) as response:
            content = await whole(response, LARGEST_MANIFEST, f"the manifest {reference}")
        wanted = reference if isinstance(reference, Digest) else said_digest(response)
        found = Digest.of(content, wanted.algorithm if wanted is not None else "sha256")
        if wanted is not None and wanted != found:
            raise Damaged(f"manifest verification failed for digest {wanted}: what came has the digest {found}")
        return Fetched(found, *typed(content, response.headers.get("content-type", ""), str(reference)))

    async def head(self, reference: str | Digest) -> tuple[Digest, str, int] | None:
        """(digest, media type, size) without its bytes; None when there is none, or the registry doesn't say."""
        async with self.session.ask(
            "HEAD",
            f"/v2/{self.path}/manifests/{reference}",
            scope=self._pull,
            headers=ACCEPT,
            accepted=frozenset({404}),
        ) as response:
            digest = said_digest(response)
            if response.status == 404 or digest is None:
                return None
            size = response.headers.get("content-length", "0")
            return digest, response.headers.get("content-type", "").partition(";")[0], int(size)

    async def put_manifest(self, reference: str | Digest, media_type: str, content: bytes) -> Digest:
        async with self.session.ask(
            "PUT",
            f"/v2/{self.path}/manifests/{reference}",
            scope=self._push,
            headers={"content-type": media_type},
            body=content,
        ):
            return Digest.of(content, reference.algorithm if isinstance(reference, Digest) else "sha256")

    async def delete(self, reference: str | Digest) -> None:
        """A tag, or a manifest with all its tags."""
        scope = f"repository:{self.path}:delete"
        async with self.session.ask("DELETE", f"/v2/{self.path}/manifests/{reference}", scope=scope):
            return

    # --- blobs
    async def blob(self, digest: Digest, size: int | None = None) -> AsyncGenerator[bytes, None]:
        """The blob piece by piece, gone on with where a line broke. The caller checks the digest at the end.

        Raises Refused, Unreachable, and Damaged for one of another size than `size`.
        """
        offset, breaks = 0, 0
        delays = BACKOFF.delays()
        while True:
            before = offset
            try:
                async with self._open_blob(digest, offset) as response:
                    skip = offset if response.status == 200 else 0
                    size = check_size(response, digest, offset if not skip else 0, size)
                    while piece := await received(response):
                        if skip:
                            piece, skip = piece[skip:], max(skip - len(piece), 0)
                        offset += len(piece)
                        if size is not None and offset > size:
                            raise Damaged(f"the blob {digest} is larger than the {size} bytes that were said")
                        if piece:
                            yield piece
                if size is None or offset == size:
                    return
                raise ConnectionLost("it ended early", answered=True)
            except HttpFault as fault:
                breaks = 1 if offset > before else breaks + 1
                if breaks >= MOST_BREAKS:
                    raise Unreachable(f"the blob {digest} broke off after {offset} bytes: {fault}") from fault
            await anyio.sleep(next(delays) if breaks > 1 else 0)

    def _open_blob(self, digest: Digest, offset: int) -> Any:
        headers = {"range": f"bytes={offset}-"} if offset else {}
        return self.session.ask("GET", f"/v2/{self.path}/blobs/{digest}", scope=self._pull, headers=headers)

    async def document(self, digest: Digest, size: int | None, limit: int) -> bytes:
        """A small blob, whole and checked."""
        content, found = bytearray(), hashlib.new(digest.algorithm if digest.algorithm in LENGTHS else "sha256")
        async for piece in self.blob(digest, size):
            content += piece
            found.update(piece)
            if len(content) > limit:
                raise Damaged(f"the blob {digest} is larger than {limit} bytes")
        if found.hexdigest() != digest.encoded:
            raise Damaged(f"the content of {digest} has another digest ({found.hexdigest()}): it is damaged")
        return bytes(content)

    async def has_blob(self, digest: Digest, *, push: bool = False) -> int | None:
        """Its size; None when it isn't there."""
        async with self.session.ask(
            "HEAD",
            f"/v2/{self.path}/blobs/{digest}",
            scope=self._push if push else self._pull,
            accepted=frozenset({404}),
        ) as response:
            return None if response.status == 404 else int(response.headers.get("content-length", "0"))

    async def mount(self, digest: Digest, source: str) -> bool:
        """Whether the blob is now this repository's too, from another one of the registry."""
        query = urlencode({"mount": str(digest), "from": source})
        scope = f"{self._push} repository:{source}:pull"
        async with self.session.ask("POST", f"/v2/{self.path}/blobs/uploads/?{query}", scope=scope) as response:
            if response.status == 201:
                return True
            location = response.headers.get("location", "")
        await self._cancel(location)
        return False

    async def upload(self, pieces: AsyncIterable[bytes], digest: Callable[[], Digest]) -> None:
        """A blob of any size as a stream; `digest` is asked when the last piece has gone.

        Raises Refused, Unreachable. Nothing of it stays at the registry then, as far as that still answers.
        """
        async with self.session.ask("POST", f"/v2/{self.path}/blobs/uploads/", scope=self._push) as response:
            location = response.headers.get("location", "")
        if not location:
            raise Unreachable("the registry began an upload and didn't say where")
        octets = {"content-type": "application/octet-stream"}
        try:
            async with self.session.ask("PATCH", location, scope=self._push, headers=octets, body=pieces) as response:
                location = response.headers.get("location", location)
            joined = f"{location}{'&' if '?' in location else '?'}digest={quote(str(digest()), safe=':')}"
            async with self.session.ask("PUT", joined, scope=self._push, headers=octets):
                return
        except BaseException:
            with anyio.move_on_after(5, shield=True):
                await self._cancel(location)
            raise

    async def put_blob(self, content: bytes) -> Digest:
        """A small blob at once."""
        digest = Digest.of(content)

        async def one() -> AsyncIterator[bytes]:
            yield content

        if await self.has_blob(digest, push=True) is None:
            await self.upload(one(), lambda: digest)
        return digest

    async def _cancel(self, location: str) -> None:
        """So that the registry needn't keep it. That it can't is no fault."""
        if location:
            try:
                async with self.session.ask("DELETE", location, scope=self._push):
                    return
            except (Refused, Unreachable, HttpFault):
                return

    # --- listings
    async def tags(self) -> list[str]:
        return await pages(self.session, f"/v2/{self.path}/tags/list", "tags", scope=self._pull)

    async def referrers(self, digest: Digest, artifact_type: str = "") -> list[Mapping[str, Any]]:
        """Descriptors of what is about the digest, by the API or by the tag that older registries are kept by."""
        query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
        path = f"/v2/{self.path}/referrers/{digest}{query}"
        found: list[Mapping[str, Any]] = []
        while path:
            async with self.session.ask("GET", path, scope=self._pull, accepted=frozenset({404})) as response:
                content = await whole(response, LARGEST_MANIFEST, "the list of referrers")
            if response.status == 404:
                found = await self._referrers_by_tag(digest)
                break
            found += as_object(content, "the list of referrers").get("manifests") or ()
            following = LINK.search(response.headers.get("link", ""))
            path = following[1] if following else ""
        return [one for one in found if not artifact_type or one.get("artifactType") == artifact_type]

    async def _referrers_by_tag(self, digest: Digest) -> list[Mapping[str, Any]]:
        tag = re.sub(r"[^a-zA-Z0-9._-]", "-", f"{digest.algorithm[:32]}-{digest.encoded[:64]}")
        try:
            return list((await self.manifest(tag)).document.get("manifests") or ())
        except Refused as refusal:
            if refusal.status == 404:
                return []
            raise


async def pages(session: Session, path: str, key: str, *, scope: str) -> list[str]:
    """The names in a list that comes in pages."""
    found: list[str] = []
    while path:
        async with session.ask("GET", path, scope=scope) as response:
            content = await whole(response, LARGEST_MANIFEST, "the list")
        found += [str(name) for name in as_object(content, "the list").get(key) or ()]
        following = LINK.search(response.headers.get("link", ""))
        path = following[1] if following else ""
    return found
