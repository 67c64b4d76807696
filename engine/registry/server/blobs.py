"""Blobs and their uploads: pull, push whole and in chunks, mount, cancel, delete (end-2, 4, 5, 6, 10, 11, 13, 14)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from engine.oci.digest import LENGTHS, Digest
from engine.registry.server.call import Call
from engine.registry.server.catalog import Catalog
from engine.registry.server.faults import BlobUnknown, DigestInvalid, RangeInvalid
from engine.registry.server.names import parse_digest
from engine.registry.server.protocols import BlobStore, Ingest
from engine.registry.server.uploads import Upload, Uploads

OCTETS = "application/octet-stream"
RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


class BlobRoutes:
    def __init__(self, catalog: Catalog, blobs: BlobStore, uploads: Uploads, now: Callable[[], float]) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._uploads = uploads
        self._now = now

    # --- pull
    async def pull(self, call: Call, name: str, digest_text: str) -> None:
        digest = parse_digest(digest_text)
        repository = self._catalog.find(name)
        if repository is None or digest not in repository.blobs:
            raise BlobUnknown("blob unknown to registry", detail={"digest": str(digest)})
        if call.method == "HEAD":
            # whoever asks may be about to push a manifest that needs it: its time of grace begins again
            repository.blobs[digest] = self._now()
        headers = {
            "Content-Type": OCTETS,
            "Docker-Content-Digest": str(digest),
            "Accept-Ranges": "bytes",
            "Etag": f'"{digest}"',
            "Cache-Control": "max-age=31536000",
        }
        with self._blobs.open(digest) as file:
            size = os.fstat(file.fileno()).st_size
            wanted = asked_range(call.headers.get("range", ""), size)
            if "if-range" in call.headers and call.headers["if-range"] != headers["Etag"]:
                wanted = None
            if wanted is None:
                await call.answer_file(200, headers, file.fileno(), offset=0, length=size)
                return
            first, last = wanted
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
            await call.answer_file(206, headers, file.fileno(), offset=first, length=last - first + 1)

    async def delete(self, call: Call, name: str, digest_text: str) -> None:
        digest = parse_digest(digest_text)
        self._catalog.unlink(name, digest)
        self.drop_unheld(digest)
        await call.answer(202, {"Docker-Content-Digest": str(digest)})

    def drop_unheld(self, digest: Digest) -> bool:
        """The bytes go with the last repository that had them, unless they are just coming again."""
        if self._catalog.holds(digest) or digest in self._uploads.landing:
            return False
        self._blobs.remove(digest)
        return True

    # --- push
    async def begin(self, call: Call, name: str, may_mount_from: Callable[[str], bool]) -> None:
        """POST: a mount, a whole blob at once, or the start of an upload."""
        if mount := call.text("mount"):
            digest = parse_digest(mount)
            if self._mount(name, digest, call.text("from"), may_mount_from):
                await self._created(call, name, digest)
                return
        whole = parse_digest(call.text("digest")) if call.text("digest") else None
        upload = self._uploads.begin(name, algorithm_of(call, whole))
        if whole is None:
            await self._accepted(call, upload, 0)
            return
        try:
            await self._complete(call, upload, whole)
        except BaseException:
            # nobody was told of it: nobody could go on with it
            self._uploads.forget(upload)
            raise

    def _mount(self, name: str, digest: Digest, source: str, may_mount_from: Callable[[str], bool]) -> bool:
        holders = (found.name for found in self._catalog.repositories() if digest in found.blobs)
        for candidate in [source] if source else list(holders):
            found = self._catalog.find(candidate)
            if found is not None and digest in found.blobs and may_mount_from(candidate):
                self._catalog.link(name, digest, self._now())
                return True
        return False

    async def chunk(self, call: Call, name: str, id: str) -> None:
        upload = self._uploads.get(name, id)
        async with self._uploads.writing(upload) as ingest:
            await self._append(call, upload, ingest)
            size = ingest.size
        await self._accepted(call, upload, size)

    async def finish(self, call: Call, name: str, id: str) -> None:
        upload = self._uploads.get(name, id)
        if not call.text("digest"):
            raise DigestInvalid("the digest of the whole blob is missing: want ?digest=<digest>")
        await self._complete(call, upload, parse_digest(call.text("digest")))

    async def _complete(self, call: Call, upload: Upload, digest: Digest) -> None:
        async with self._uploads.landed(digest), self._uploads.writing(upload) as ingest:
            if not ingest.size:
                # nothing came yet: hash with what it will be named by
                ingest.digest(digest.algorithm)
            await self._append(call, upload, ingest)
            await self._uploads.finish(upload, ingest, digest)
            self._catalog.link(upload.repository, digest, self._now())
            self._uploads.forget(upload)
        await self._created(call, upload.repository, digest)

    async def _append(self, call: Call, upload: Upload, ingest: Ingest) -> None:
        """Raises RangeInvalid, which says how far the upload is."""
        try:
            await self._uploads.append(
                ingest, call.exchange, content_range=call.headers.get("content-range", ""), length=call.length
            )
        except RangeInvalid as fault:
            fault.headers.update(progress(upload, ingest.size))
            raise

    async def status(self, call: Call, name: str, id: str) -> None:
        upload = self._uploads.get(name, id)
        async with self._uploads.writing(upload) as ingest:
            size = ingest.size
        await call.answer(204, progress(upload, size))

    async def cancel(self, call: Call, name: str, id: str) -> None:
        upload = self._uploads.get(name, id)
        async with upload.busy:
            self._uploads.forget(upload)
        await call.answer(204, {"Docker-Upload-UUID": id})

    async def _accepted(self, call: Call, upload: Upload, size: int) -> None:
        await call.answer(202, progress(upload, size))

    async def _created(self, call: Call, name: str, digest: Digest) -> None:
        location = f"/v2/{name}/blobs/{digest}"
        await call.answer(201, {"Location": location, "Docker-Content-Digest": str(digest)})


def progress(upload: Upload, size: int) -> dict[str, str]:
    """Where the next chunk goes. Nothing received is 0-0, as every client reads it."""
    return {
        "Location": f"/v2/{upload.repository}/blobs/uploads/{upload.id}",
        "Range": f"0-{max(size - 1, 0)}",
        "Docker-Upload-UUID": upload.id,
    }


def algorithm_of(call: Call, whole: Digest | None) -> str:
    """Raises DigestInvalid for an algorithm that isn't served."""
    if whole is not None:
        return whole.algorithm
    algorithm = call.text("digest-algorithm") or "sha256"
    if algorithm not in LENGTHS:
        raise DigestInvalid(f'the algorithm "{algorithm}" is not served: want {" or ".join(LENGTHS)}')
    return algorithm


def asked_range(text: str, size: int) -> tuple[int, int] | None:
    """(first, last) of a single range; None for the whole: none asked, or several (RFC 9110, 14).

    Raises RangeInvalid, for one that ends before it begins too: clients take 416 for it, where RFC 9110 lets it pass.
    """
    found = RANGE.fullmatch(text.replace(" ", ""))
    if found is None or found[0] == "bytes=-":
        return None
    if not found[1]:
        first, last = max(size - int(found[2]), 0), size - 1
    else:
        first, last = int(found[1]), min(int(found[2]), size - 1) if found[2] else size - 1
    if first > last:
        raise RangeInvalid(f"the blob has {size} bytes: no {text}", headers={"Content-Range": f"bytes */{size}"})
    return first, last
