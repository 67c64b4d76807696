"""How images go: by name, by id, with what nobody needs of their parents; and all that dangles. Docker's rules.

Source: moby, daemon/images/image_delete.go (behaviour); Engine API v1.50, DELETE /images/{name}, POST /images/prune.
"""

from __future__ import annotations

from engine.api.errors import Conflict
from engine.api.images import ImageRemoved, ImagesPruned
from engine.api.kept import is_kept
from engine.daemon.images.images import LocalImages
from engine.daemon.images.show import boolean, chosen
from engine.daemon.protocols import Events, Filters, ImageRecord


def short(id: str) -> str:
    return id.removeprefix("sha256:")[:12]


class Removal:
    """One removal or prune: what it did, in Docker's order."""

    def __init__(self, images: LocalImages, events: Events) -> None:
        self._images = images
        self._index = images.index
        self._events = events
        self.done: list[ImageRemoved] = []

    async def remove(self, reference: str, *, force: bool, prune: bool) -> list[ImageRemoved]:
        """Raises NotFound, Conflict."""
        image = self._index.get(reference)
        name = self._index.name_fitting(reference)
        if name is not None:
            self._remove_name(image, name, force=force)
            image = self._index.get(image.id)
            if not image.names and not self._conflict(image, force=force):
                self._delete(image, prune=prune)
        else:
            if not force and len(repositories(image)) > 1:
                raise Conflict(
                    f"conflict: unable to delete {short(image.id)} (must be forced) - "
                    "image is referenced in multiple repositories"
                )
            if words := self._conflict(image, force=force):
                raise Conflict(words)
            self._delete(image, prune=prune)
        before = self._images.layers.all()
        await self._images.collect()
        left = {layer.chain_id for layer in self._images.layers.all()}
        self.done += [{"Deleted": layer.chain_id} for layer in reversed(before) if layer.chain_id not in left]
        return self.done

    def _remove_name(self, image: ImageRecord, name: str, *, force: bool) -> None:
        last = not [other for other in image.names if other != name]
        use = next(iter(self._images.users.of_image(image.id)), None)
        if last and use is not None and not force:
            raise Conflict(
                f'conflict: unable to remove repository reference "{name}" (must force) - '
                f"container {use.id[:12]} is using its referenced image {short(image.id)}"
            )
        self._untag(image, name)
        # a digest is of the repository: with the last tag of it, it goes too
        if last:
            for digest in image.digests:
                if digest != name:
                    self._untag(image, digest)

    def _conflict(self, image: ImageRecord, *, force: bool) -> str | None:
        """Why the image itself can't go."""
        head = f"conflict: unable to delete {short(image.id)}"
        if self._index.children(image.id):
            return f"{head} (cannot be forced) - image has dependent child images"
        for use in self._images.users.of_image(image.id):
            if use.running:
                return f"{head} (cannot be forced) - image is being used by running container {use.id[:12]}"
            if not force:
                return f"{head} (must be forced) - image is being used by stopped container {use.id[:12]}"
        return None

    def _untag(self, image: ImageRecord, name: str) -> None:
        self._index.unname(name)
        self.done.append({"Untagged": name})
        self._images.tell("untag", image, image.id)

    def _delete(self, image: ImageRecord, *, prune: bool) -> None:
        for name in (*image.names, *image.digests):
            self._untag(image, name)
        self._index.drop(image.id)
        self.done.append({"Deleted": image.id})
        self._events.publish("image", "delete", image.id, {"name": image.id})
        parent = self._index.find(image.parent) if image.parent and prune else None
        if parent is None or parent.names or parent.digests or self._index.children(parent.id):
            return
        if not self._images.users.of_image(parent.id):
            self._delete(parent, prune=True)

    async def prune(self, filters: Filters, *, now: float) -> ImagesPruned:
        """What has no name and no child; with dangling=false all that no container uses."""
        dangling = boolean("dangling", filters["dangling"]) if filters.get("dangling") else True
        wanted = chosen(self._index, {key: value for key, value in filters.items() if key != "dangling"}, now=now)
        for image in self._index.all():
            if image.id not in self._index.ids() or self._images.users.of_image(image.id) or not wanted(image):
                continue
            if any(map(is_kept, image.names)):
                # a release of the ledger needs it: only who names it takes it away
                continue
            if self._index.children(image.id) or (dangling and (image.names or image.digests)):
                continue
            self._delete(image, prune=True)
        before = {layer.folder: layer.size for layer in self._images.layers.all()}
        known = self._images.layers.all()
        await self._images.collect()
        left = self._images.layers.all()
        gone_chains = {layer.chain_id for layer in known} - {layer.chain_id for layer in left}
        self.done += [{"Deleted": chain_id} for chain_id in sorted(gone_chains)]
        reclaimed = sum(before.values()) - sum({layer.folder: layer.size for layer in left}.values())
        self._events.publish("image", "prune", "", {"reclaimed": str(reclaimed)})
        return {"ImagesDeleted": self.done or None, "SpaceReclaimed": reclaimed}


def repositories(image: ImageRecord) -> set[str]:
    found = {name.rpartition(":")[0] for name in image.names}
    return found | {digest.partition("@")[0] for digest in image.digests}
