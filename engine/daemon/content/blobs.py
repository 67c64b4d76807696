"""Blobs by digest: image configs, manifests, layers as registries have them. A blob is whole, checked, or not there.

An ingest is a file of its own until its digest is right; a named one outlives the process and is taken up again where
its file ends. A lease keeps what came in under it from `collect`, until records name it. Methods block on the disk
(`get` and `put` of small blobs for less than a millisecond). The daemon's store, and a registry's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.api.errors import NotFound, SystemFailure
from engine.kit.files import sync_folder
from engine.oci.digest import LENGTHS, Digest

PIECE = 1 << 20


class Ingest:
    """A blob on its way in. Write, then `commit`. `size` counts what is there."""

    def __init__(self, blobs: Blobs, path: Path, *, algorithm: str = "sha256", named: bool = False) -> None:
        self._blobs = blobs
        self._path = path
        self._named = named
        self._file = path.open("ab" if named else "xb", buffering=0)
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self.size = 0
        if named:
            self.size = os.fstat(self._file.fileno()).st_size
            self._hash = hash_of(path, algorithm)

    def write(self, piece: bytes) -> None:
        self._hash.update(piece)
        left = memoryview(piece)
        while left:
            left = left[self._file.write(left) :]
        self.size += len(piece)

    def digest(self, algorithm: str | None = None) -> Digest:
        """Of what was written; of another algorithm than it was begun with: by reading it again."""
        if algorithm not in (None, self._algorithm):
            self._algorithm, self._hash = algorithm, hash_of(self._path, algorithm)
        return Digest(self._algorithm, self._hash.hexdigest())

    def commit(self, expected: Digest | None = None) -> Digest:
        """Durable under its digest when it returns. Raises SystemFailure when it is not the one expected."""
        digest = self.digest(expected.algorithm if expected is not None else None)
        if expected is not None and expected != digest:
            raise SystemFailure(f"the content has the digest {digest}, not {expected} as was said: it is damaged")
        os.fsync(self._file.fileno())
        self._blobs.remember(digest)
        target = self._blobs.path(digest)
        os.replace(self._path, target)
        sync_folder(target.parent)
        return digest

    def close(self) -> None:
        """Let it go. An uncommitted one is gone, unless it has a name."""
        self._file.close()
        if not self._named:
            self._path.unlink(missing_ok=True)


class Blobs:
    def __init__(self, root: Path) -> None:
        self._folders = {algorithm: root / "blobs" / algorithm for algorithm in LENGTHS}
        self._ingests = root / "ingests"
        self._named = root / "unfinished"
        self._adders = 0
        self._recent: set[Digest] = set()
        for folder in (*self._folders.values(), self._ingests, self._named):
            folder.mkdir(parents=True, exist_ok=True)
        # what a killed daemon was writing
        for left in self._ingests.iterdir():
            left.unlink()

    def path(self, digest: Digest) -> Path:
        """Raises NotFound for an algorithm that no blob here can have."""
        try:
            return self._folders[digest.algorithm] / digest.encoded
        except KeyError:
            raise NotFound(f"no such content: {digest}") from None

    def has(self, digest: Digest) -> bool:
        return digest.algorithm in self._folders and self.path(digest).exists()

    def get(self, digest: Digest) -> bytes:
        """The whole of a small blob, checked. Raises NotFound, SystemFailure for a damaged one."""
        try:
            content = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"no such content: {digest}") from None
        if hashlib.new(digest.algorithm, content).hexdigest() != digest.encoded:
            raise SystemFailure(f"the content {digest} is damaged on the disk ({self.path(digest)})")
        return content

    def open(self, digest: Digest) -> BinaryIO:
        """The blob to read from; it stays readable when it is removed meanwhile. Raises NotFound. Not checked."""
        try:
            return self.path(digest).open("rb", buffering=0)
        except FileNotFoundError:
            raise NotFound(f"no such content: {digest}") from None

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        """The blob, piece by piece. Raises NotFound, and SystemFailure at the end of a damaged one."""
        found = hashlib.new(digest.algorithm)
        with self.open(digest) as file:
            while piece := file.read(PIECE):
                found.update(piece)
                yield piece
        if found.hexdigest() != digest.encoded:
            raise SystemFailure(f"the content {digest} is damaged on the disk ({self.path(digest)})")

    @contextmanager
    def ingest(self) -> Iterator[Ingest]:
        ingest = Ingest(self, self._ingests / os.urandom(8).hex())
        try:
            yield ingest
        finally:
            ingest.close()

    # --- named ingests: uploads, which go on after a broken line or a killed process
    def take_up(self, name: str, algorithm: str) -> Ingest:
        """The ingest of that name, begun or gone on with: what is there of it is read for its digest."""
        return Ingest(self, self._named / name, algorithm=algorithm, named=True)

    def abandon(self, name: str) -> None:
        """Its file goes; none is no fault."""
        (self._named / name).unlink(missing_ok=True)

    def unfinished(self) -> dict[str, float]:
        """Name → when it was last written to, in seconds since 1970."""
        found: dict[str, float] = {}
        for path in self._named.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found[path.name] = path.stat().st_mtime
        return found

    # --- keeping and removing
    def remember(self, digest: Digest) -> None:
        """Part of the present leases, if there are any."""
        if self._adders:
            self._recent.add(digest)

    def put(self, content: bytes, expected: Digest | None = None) -> Digest:
        """A small blob, whole. Raises SystemFailure when its digest is not the one expected."""
        algorithm = expected.algorithm if expected is not None else "sha256"
        digest = Digest(algorithm, hashlib.new(algorithm, content).hexdigest())
        self.remember(digest)
        # One that is damaged is put anew: that is how loading an image again mends it.
        if expected in (None, digest) and self.has(digest) and self.sound(digest):
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
        for digest in self.all():
            if digest not in keep and digest not in self._recent:
                with contextlib.suppress(FileNotFoundError):
                    size = self.path(digest).stat().st_size
                    self.path(digest).unlink()
                    freed += size
        return freed

    def leased(self, digest: Digest) -> bool:
        """Whether somebody is about to name it in a record."""
        return digest in self._recent

    def sound(self, digest: Digest) -> bool:
        """Read it again: whether its content still has its digest. One that is gone is sound. Blocks."""
        try:
            return hash_of(self.path(digest), digest.algorithm).hexdigest() == digest.encoded
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def remove_damaged(self, digest: Digest) -> None:
        """Not one that was put in its place meanwhile. Blocks."""
        if not self.sound(digest):
            self.remove(digest)

    def all(self) -> list[Digest]:
        return [Digest(algorithm, name) for algorithm, at in self._folders.items() for name in os.listdir(at)]

    def remove(self, digest: Digest) -> None:
        """None is no fault. Who reads it goes on reading."""
        self.path(digest).unlink(missing_ok=True)


def hash_of(path: Path, algorithm: str) -> hashlib._Hash:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm)
