"""The blobs of images (configurations, manifests): damaged, missing, without an image; and images that can't be read.

A damaged blob is taken away, since one that is there is not fetched again: a pull or a load then brings it back.
"""

from __future__ import annotations

from functools import partial

from anyio import to_thread

from engine.daemon.checking import Finding, in_thread
from engine.daemon.images.images import LocalImages
from engine.daemon.images.index import ImageIndex
from engine.oci.digest import Digest


async def image_findings(images: LocalImages) -> list[Finding]:
    index, blobs = images.index, images.blobs
    present = await to_thread.run_sync(blobs.all)
    damaged = await to_thread.run_sync(lambda: {digest for digest in present if not blobs.sound(digest)})
    needed = {digest: index.called(id) for id in index.known_ids() for digest in index.blobs_of(id)}
    found = []
    for digest in present:
        if digest in damaged:
            found.append(damaged_one(images, digest, needed.get(digest)))
        elif digest not in needed and not blobs.leased(digest):
            found.append(Finding("blob", str(digest), "no image names it", "remove it", images.collect))
    for digest in needed.keys() - set(present):
        if not blobs.has(digest):
            name = needed[digest]
            fault = f"it is missing, and the image {name} needs it"
            found.append(Finding("blob", str(digest), fault, f"pull or load {name} again"))
    for id in index.unrecorded():
        again = partial(record_again, index, id)
        found.append(Finding("image", index.called(id), "its record is gone", "write the record again", again))
    for id, words in list(index.broken.items()):
        if Digest.parse(id) in present and Digest.parse(id) not in damaged:
            name = index.called(id)
            found.append(Finding("image", name, f"it can't be read: {words}", f"pull or load {name} again"))
    return found


async def record_again(index: ImageIndex, id: str) -> None:
    index.record_again(id)


def damaged_one(images: LocalImages, digest: Digest, image: str | None) -> Finding:
    remove = in_thread(images.blobs.remove_damaged, digest)
    if image is None:
        return Finding("blob", str(digest), "its content is damaged, and no image names it", "remove it", remove)
    fault = f"its content is damaged, and the image {image} needs it"
    return Finding("blob", str(digest), fault, f"remove it; then pull or load {image} again", remove)
