"""Uploads on their way: begun, gone on with chunk by chunk, ended or given up. They outlive the process.

What a client sent before its line broke, or before we were killed, stays and counts: it asks how far it came, and
goes on from there. One request at a time writes to an upload. Source: OCI distribution-spec, Pushing a blob in chunks.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio import to_thread

from engine.oci.digest import Digest
from engine.registry.server.faults import DigestInvalid, RangeInvalid, SizeInvalid, UploadInvalid, UploadUnknown
from engine.registry.server.protocols import BlobStore, Ingest, Records

UPLOAD = "registry-upload"
# What is written in one go, in a thread.
BATCH = 1 << 20
# Uploads that lie idle with an open file; one more closes the longest idle one, which is read again when it goes on.
MOST_OPEN = 256
RANGE = re.compile(r"(?:bytes[ =])?(\d{1,19})-(\d{1,19})(?:/.*)?")


@dataclass(slots=True)
class Upload:
    id: str
    repository: str
    algorithm: str
    # When it began, or when we did, in seconds since 1970: nothing may have been written yet.
    began: float
    busy: anyio.Lock = field(default_factory=anyio.Lock)
    ingest: Ingest | None = None


class Uploads:
    def __init__(self, blobs: BlobStore, records: Records, now: Callable[[], float]) -> None:
        self._blobs = blobs
        self._now = now
        self._records = records
        self._uploads = {id: Upload(id, name, how, now()) for id, (name, how) in records.list(UPLOAD).items()}
        # Digests that are about to be linked: the collector leaves them alone.
        self.landing: dict[Digest, int] = {}
        for id in blobs.unfinished():
            if id not in self._uploads:
                blobs.abandon(id)

    def begin(self, repository: str, algorithm: str) -> Upload:
        upload = Upload(str(uuid.uuid4()), repository, algorithm, self._now())
        self._records.put(UPLOAD, upload.id, [repository, algorithm])
        self._uploads[upload.id] = upload
        return upload

    def get(self, repository: str, id: str) -> Upload:
        """Raises UploadUnknown."""
        found = self._uploads.get(id)
        if found is None or found.repository != repository:
            raise UploadUnknown("blob upload unknown to registry")
        return found

    def forget(self, upload: Upload) -> None:
        """Whatever came of it is gone."""
        self._uploads.pop(upload.id, None)
        self._records.delete(UPLOAD, upload.id)
        if upload.ingest is not None:
            upload.ingest.close()
            upload.ingest = None
        self._blobs.abandon(upload.id)

    @asynccontextmanager
    async def writing(self, upload: Upload) -> AsyncIterator[Ingest]:
        """The upload for this request alone, its file open. Raises UploadUnknown when it ended meanwhile."""
        async with upload.busy:
            self.get(upload.repository, upload.id)
            if upload.ingest is None:
                upload.ingest = await to_thread.run_sync(self._blobs.take_up, upload.id, upload.algorithm)
                self._close_idle()
            yield upload.ingest

    def _close_idle(self) -> None:
        open_ones = [upload for upload in self._uploads.values() if upload.ingest is not None]
        for upload in open_ones[: max(len(open_ones) - MOST_OPEN, 0)]:
            if not upload.busy.locked() and upload.ingest is not None:
                upload.ingest.close()
                upload.ingest = None

    async def append(
        self, ingest: Ingest, body: AsyncIterable[bytes], *, content_range: str = "", length: int | None = None
    ) -> None:
        """Add a chunk. Raises RangeInvalid for one out of order, before anything of it is read."""
        if content_range:
            check_range(content_range, ingest.size, length)
        await write_all(ingest, body)

    async def finish(self, upload: Upload, ingest: Ingest, expected: Digest) -> None:
        """The whole blob is in the store, and the upload is no more. Raises DigestInvalid, and forgets it then too.

        The caller links the blob while `expected` is landing.
        """
        found = await to_thread.run_sync(ingest.digest, expected.algorithm)
        if found != expected:
            self.forget(upload)
            raise DigestInvalid(
                "provided digest did not match uploaded content", detail={"digest": str(expected), "found": str(found)}
            )
        await to_thread.run_sync(partial(ingest.commit, expected))

    @asynccontextmanager
    async def landed(self, digest: Digest) -> AsyncIterator[None]:
        """For the time between a blob's coming and its link."""
        self.landing[digest] = self.landing.get(digest, 0) + 1
        try:
            yield
        finally:
            self.landing[digest] -= 1
            if not self.landing[digest]:
                del self.landing[digest]

    def idle_since(self, moment: float) -> list[Upload]:
        """Those that nobody has written to since then and nobody writes to now."""
        written = self._blobs.unfinished()
        return [
            upload
            for id, upload in self._uploads.items()
            if not upload.busy.locked() and max(written.get(id, 0.0), upload.began) < moment
        ]


def check_range(text: str, size: int, length: int | None) -> None:
    found = RANGE.fullmatch(text.strip())
    if found is None:
        raise UploadInvalid(f'the Content-Range "{text}" can\'t be read: want <first>-<last>')
    first, last = int(found[1]), int(found[2])
    if first != size:
        raise RangeInvalid(f"the chunk begins at {first}, the next one must begin at {size}")
    if last + 1 < first or (length is not None and length != last - first + 1):
        raise SizeInvalid(f"the chunk has {length} bytes, and its Content-Range says {last - first + 1}")


async def write_all(ingest: Ingest, body: AsyncIterable[bytes]) -> None:
    """What came before a broken line is kept."""
    waiting: list[bytes] = []
    size = 0
    try:
        async for piece in body:
            waiting.append(piece)
            size += len(piece)
            if size >= BATCH:
                batch, waiting, size = b"".join(waiting), [], 0
                await to_thread.run_sync(ingest.write, batch)
    finally:
        if waiting:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(ingest.write, b"".join(waiting))
