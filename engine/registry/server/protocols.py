"""What a registry stands on: a store of blobs and a store of records. The daemon's rooms are both; app code wires them.

Methods block on the disk: those of blobs larger than a manifest are called in threads.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

from engine.oci.digest import Digest


class Ingest(Protocol):
    """A blob on its way in; `size` bytes are there."""

    size: int

    def write(self, piece: bytes) -> None: ...

    def digest(self, algorithm: str | None = None) -> Digest:
        """Of what was written so far."""

    def commit(self, expected: Digest | None = None) -> Digest:
        """Durable under its digest when it returns."""

    def close(self) -> None:
        """Let it go; what was written of it stays under its name until it is abandoned."""


class BlobStore(Protocol):
    def has(self, digest: Digest) -> bool: ...

    def get(self, digest: Digest) -> bytes:
        """The whole of a small blob, its digest checked."""

    def open(self, digest: Digest) -> BinaryIO:
        """To read from, a regular file; it stays readable when the blob is removed meanwhile."""

    def put(self, content: bytes, expected: Digest | None = None) -> Digest: ...

    def remove(self, digest: Digest) -> None:
        """None is no fault."""

    def all(self) -> list[Digest]: ...

    def take_up(self, name: str, algorithm: str) -> Ingest:
        """The unfinished ingest of that name, begun or gone on with."""

    def abandon(self, name: str) -> None: ...

    def unfinished(self) -> dict[str, float]:
        """Name → when it was last written to, in seconds since 1970."""


class Records(Protocol):
    """Records by kind and id, each whole and in order on its way to the disk when a call returns."""

    def put(self, kind: str, id: str, record: Any) -> None: ...

    def list(self, kind: str) -> dict[str, Any]: ...

    def delete(self, kind: str, id: str) -> None: ...

    def checkpoint(self) -> None:
        """Carry what was recorded to its last place. Blocks: for a thread."""

    def transaction(self) -> AbstractContextManager[None]:
        """All the writes within, or none."""
