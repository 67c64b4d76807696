"""Manifests and tags, pushed, pulled and deleted (end-3, 7, 9)."""

from __future__ import annotations

from collections.abc import Callable

from anyio import to_thread

from engine.oci.digest import Digest
from engine.registry.server.call import Call
from engine.registry.server.catalog import Catalog
from engine.registry.server.faults import (
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    SizeInvalid,
)
from engine.registry.server.manifests import LARGEST, Manifest, read_manifest
from engine.registry.server.names import check_tag, parse_reference
from engine.registry.server.protocols import BlobStore
from engine.registry.server.uploads import Uploads

MOST_READ = 4 * LARGEST


class ManifestRoutes:
    def __init__(
        self,
        catalog: Catalog,
        blobs: BlobStore,
        uploads: Uploads,
        drop_unheld: Callable[[Digest], bool],
        *,
        sparse: bool = False,
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._uploads = uploads
        self._drop_unheld = drop_unheld
        self._sparse = sparse

    async def pull(self, call: Call, name: str, reference: str) -> None:
        digest, manifest = self._catalog.get(name).manifest_of(existing(reference))
        headers = {
            "Content-Type": manifest.media_type,
            "Docker-Content-Digest": str(digest),
            "Etag": f'"{digest}"',
        }
        if headers["Etag"] in call.headers.get("if-none-match", ""):
            await call.answer(304, headers)
            return
        await call.answer(200, headers, self._blobs.get(digest))

    async def push(self, call: Call, name: str, reference: str) -> None:
        """By tag, or by digest with any number of `?tag=`."""
        wanted = parse_reference(reference)
        tags = [wanted] if isinstance(wanted, str) else [check_tag(tag) for tag in call.query.get("tag", ())]
        content = await self._body(call)
        digest = digest_of(content, wanted)
        manifest = read_manifest(content, call.headers.get("content-type", ""))
        self._check_blobs(name, manifest)
        async with self._uploads.landed(digest):
            await to_thread.run_sync(self._blobs.put, content, digest)
            # a blob may have been deleted while the manifest was written
            self._check_blobs(name, manifest)
            self._catalog.put(name, digest, manifest, tags)
        headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": str(digest)}
        if manifest.subject is not None:
            headers["OCI-Subject"] = str(manifest.subject)
        if isinstance(wanted, Digest) and tags:
            headers["OCI-Tag"] = ", ".join(tags)
        await call.answer(201, headers)

    async def _body(self, call: Call) -> bytes:
        """Raises SizeInvalid. What is too large is read on for a while: most clients look for an answer only then."""
        whole, size = bytearray(), 0
        async for piece in call.exchange:
            size += len(piece)
            if size > MOST_READ:
                break
            if size <= LARGEST:
                whole += piece
        if size > LARGEST:
            raise SizeInvalid(f"the manifest is larger than {LARGEST} bytes", status=413)
        return bytes(whole)

    def _check_blobs(self, name: str, manifest: Manifest) -> None:
        """An image's blobs must be there. An index may be sparse: clients push the platforms that they have."""
        if self._sparse:
            return
        found = self._catalog.find(name)
        known = found.blobs if found is not None else {}
        missing = [digest for digest in manifest.blobs if digest not in known]
        if missing:
            raise ManifestBlobUnknown(
                f"the manifest needs blobs that {name} has not: {', '.join(map(str, missing[:5]))}",
                detail=[{"digest": str(digest)} for digest in missing],
            )

    async def delete(self, call: Call, name: str, reference: str) -> None:
        """A tag alone, or a manifest with all its tags."""
        wanted = existing(reference)
        if isinstance(wanted, str):
            self._catalog.untag(name, wanted)
        else:
            self._catalog.delete(name, wanted)
            self._drop_unheld(wanted)
        await call.answer(202)


def existing(text: str) -> str | Digest:
    """What no tag can be called is not there: only who gives a name is told that it is a bad one.

    Raises ManifestUnknown, DigestInvalid.
    """
    try:
        return parse_reference(text)
    except ManifestInvalid:
        raise ManifestUnknown("manifest unknown", detail={"reference": text[:200]}) from None


def digest_of(content: bytes, wanted: str | Digest) -> Digest:
    """Raises DigestInvalid when it isn't the one that was said."""
    if isinstance(wanted, str):
        return Digest.of(content)
    found = Digest.of(content, wanted.algorithm)
    if found != wanted:
        raise DigestInvalid(
            "provided digest did not match uploaded content", detail={"digest": str(wanted), "found": str(found)}
        )
    return found
