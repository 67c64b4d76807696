"""Blobs by digest: image configs, manifests, layers as registries have them. A blob is whole, checked, or not there.

An ingest is a file of its own until its digest is right; a lease keeps what came in under it from `collect`, until
records name it. Methods block on the disk (`get` and `put` of small blobs for less than a millisecond).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.api.errors import NotFound, SystemFailure
from engine.kit.files import sync_folder
from engine.oci.digest import Digest

PIECE = 1 << 20


class Ingest:
    """A blob on its way in. Write, then `commit`."""

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._blobs = blobs
        self._path = path
        self._file = path.open("xb")
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._file.write(piece)
        self.size += len(piece)

    def commit(self, expected: Digest | None = None) -> Digest:
        """Durable under its digest when it returns. Raises SystemFailure when it is not the one expected."""
        digest = Digest("sha256", self._hash.hexdigest())
        if expected is not None and expected != digest:
            raise SystemFailure(f"the content has the digest {digest}, not {expected} as was said: it is damaged")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._blobs.remember(digest)
        target = self._blobs.path(digest)
        os.replace(self._path, target)
        sync_folder(target.parent)
        return digest

    def close(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


class Blobs:
    def __init__(self, root: Path) -> None:
        self._folder = root / "blobs" / "sha256"
        self._ingests = root / "ingests"
        self._adders = 0
        self._recent: set[Digest] = set()
        for folder in (self._folder, self._ingests):
            folder.mkdir(parents=True, exist_ok=True)
        # what a killed daemon was writing
        for left in self._ingests.iterdir():
            left.unlink()

    def path(self, digest: Digest) -> Path:
        return self._folder / digest.encoded

    def has(self, digest: Digest) -> bool:
        return self.path(digest).exists()

    def get(self, digest: Digest) -> bytes:
        """The whole of a small blob, checked. Raises NotFound, SystemFailure for a damaged one."""
        try:
            content = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"no such content: {digest}") from None
        if Digest.of(content) != digest:
            raise SystemFailure(f"the content {digest} is damaged on the disk ({self.path(digest)})")
        return content

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        """The blob, piece by piece. Raises NotFound, and SystemFailure at the end of a damaged one."""
        found = hashlib.sha256()
        try:
            with self.path(digest).open("rb", buffering=0) as file:
                while piece := file.read(PIECE):
                    found.update(piece)
                    yield piece
        except FileNotFoundError:
            raise NotFound(f"no such content: {digest}") from None
        if found.hexdigest() != digest.encoded:
            raise SystemFailure(f"the content {digest} is damaged on the disk ({self.path(digest)})")

    @contextmanager
    def ingest(self) -> Iterator[Ingest]:
        ingest = Ingest(self, self._ingests / os.urandom(8).hex())
        try:
            yield ingest
        finally:
            ingest.close()

    def remember(self, digest: Digest) -> None:
        """Part of the present leases, if there are any."""
        if self._adders:
            self._recent.add(digest)

    def put(self, content: bytes, expected: Digest | None = None) -> Digest:
        digest = Digest.of(content)
        self.remember(digest)
        if self.has(digest) and expected in (None, digest):
            return digest
        with self.ingest() as ingest:
            ingest.write(content)
            return ingest.commit(expected)

    @contextmanager
    def adding(self) -> Iterator[None]:
        """A lease: what is put or met within the block is not collected before its end, named by a record or not."""
        self._adders += 1
        try:
            yield
        finally:
            self._adders -= 1
            if not self._adders:
                self._recent.clear()

    def collect(self, keep: Collection[Digest]) -> int:
        """Remove every blob but those to keep and those just added → bytes that are free now."""
        freed = 0
        for path in self._folder.iterdir():
            digest = Digest("sha256", path.name)
            if digest not in keep and digest not in self._recent:
                with contextlib.suppress(FileNotFoundError):
                    size = path.stat().st_size
                    path.unlink()
                    freed += size
        return freed
