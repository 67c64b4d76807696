"""Garbage collection while the registry serves: uploads that nobody goes on with, blobs that no manifest needs.

Whether something may go is asked on the event loop in the moment in which it goes, so nothing that a request is just
linking is lost; who reads a blob goes on reading it. A blob without a manifest gets a time of grace: pushes send the
manifest last.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio import to_thread

from engine.oci.digest import Digest
from engine.registry.server.catalog import Catalog, Repository
from engine.registry.server.protocols import BlobStore
from engine.registry.server.uploads import Uploads

# How many removals are done before others have their turn.
BATCH = 50


async def collect(
    catalog: Catalog,
    blobs: BlobStore,
    uploads: Uploads,
    drop_unheld: Callable[[Digest], bool],
    *,
    before: float,
) -> int:
    """Remove what has been of no use since the moment `before` (seconds since 1970) → how many things went."""
    removed = 0
    for upload in uploads.idle_since(before):
        uploads.forget(upload)
        removed += 1
    for repository in list(catalog.repositories()):
        for digest in unneeded(repository, before):
            catalog.unlink(repository.name, digest)
        await anyio.lowlevel.checkpoint()
    for number, digest in enumerate(await to_thread.run_sync(blobs.all)):
        removed += drop_unheld(digest)
        if number % BATCH == 0:
            await anyio.lowlevel.checkpoint()
    return removed


def unneeded(repository: Repository, before: float) -> list[Digest]:
    needed = {digest for manifest in repository.manifests.values() for digest in manifest.blobs}
    return [digest for digest, at in repository.blobs.items() if at < before and digest not in needed]
