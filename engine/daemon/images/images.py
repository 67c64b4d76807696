"""Images of this machine: loaded, imported, committed, tagged, removed, collected. Implements protocols.Images.

Order on the disk: layers, then the config blob, then the record, then names; and the other way round on removal. So
whenever the daemon is killed, what is recorded is whole, and what is not recorded goes at the next collection.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from anyio import from_thread, to_thread

from engine.api.container_config import ContainerConfig
from engine.api.errors import InvalidArgument
from engine.daemon.content.blobs import Blobs
from engine.daemon.images.archive import ArchiveReader, Found
from engine.daemon.images.index import ImageIndex, Known
from engine.daemon.images.moments import rfc3339
from engine.daemon.images.save import save_archive
from engine.daemon.protocols import Events, ImageRecord, Users
from engine.daemon.snapshots.layers import Fresh, Layers
from engine.daemon.snapshots.snapshots import OverlaySnapshots
from engine.daemon.snapshots.tarread import TarFault
from engine.kit.bridge import Feed, pieces_from_thread, run_on_stream
from engine.kit.clock import Clock
from engine.oci.digest import Digest
from engine.oci.platform import Platform
from engine.oci.reference import Reference

# The DiffID of a tar of nothing.
NO_CHANGE = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
Told = Callable[[str, int], None]


class LocalImages:
    def __init__(
        self,
        index: ImageIndex,
        layers: Layers,
        blobs: Blobs,
        snapshots: OverlaySnapshots,
        events: Events,
        users: Users,
        clock: Clock,
    ) -> None:
        self.index = index
        self.layers = layers
        self.blobs = blobs
        self.users = users
        self._snapshots = snapshots
        self._events = events
        self._clock = clock
        # Chains without an image that stay none the less: of a pull that didn't end, of the builds' cache.
        self.also_kept: list[Callable[[], Collection[str]]] = []

    def find(self, reference: str) -> ImageRecord | None:
        return self.index.find(reference)

    def get(self, reference: str) -> ImageRecord:
        return self.index.get(reference)

    # --- coming
    async def load(
        self, body: AsyncIterable[bytes], told: Told, platform: Platform | None = None
    ) -> list[tuple[ImageRecord, tuple[str, ...]]]:
        """The images of an archive, with the names that it gave them; of an index the one for `platform`, ours without.

        Raises InvalidArgument, SystemFailure.

        `told` is called on the event loop with each layer's DiffID and size, once it is unpacked.
        """

        def work(feed: Feed) -> list[Found]:
            reader = ArchiveReader(self.layers, lambda diff_id, size: from_thread.run_sync(told, diff_id, size))
            try:
                images = reader.read(feed.next, platform or Platform.here())
                for image in images:
                    self._chain(image.layers, reader.fresh)
                    self.blobs.put(image.config)
                return images
            finally:
                for fresh in reader.fresh.values():
                    self.layers.discard(fresh)

        with self.layers.adding(), self.blobs.adding():
            found = await run_on_stream(body, work)
            return [(self._add(image.config, Known(), image.names, "load"), image.names) for image in found]

    def _chain(self, diff_ids: Sequence[str], fresh: Mapping[str, Fresh]) -> str:
        """In a thread: the chain of these layers → its ChainID."""
        parent = ""
        for diff_id in diff_ids:
            layer = self.layers.append_known(parent, diff_id)
            if layer is None:
                try:
                    layer = self.layers.append(parent, fresh[diff_id])
                except KeyError:
                    raise InvalidArgument(f"the layer {diff_id} went away meanwhile: load the archive again") from None
                except TarFault as error:
                    raise InvalidArgument(f"the layer {diff_id} can't be unpacked: {error}") from error
            parent = layer.chain_id
        return parent

    def _add(self, config: bytes, known: Known, names: Sequence[str], action: str) -> ImageRecord:
        id = str(Digest.of(config))
        _, new = self.index.add(id, config, known)
        for name in names:
            self.index.name(id, name, now=self._clock.now())
        if action:
            self.tell(action, self.index.get(id), names[0] if names else id)
        if new and action != "create":
            self.tell("create", self.index.get(id), id)
        return self.index.get(id)

    def tell(self, action: str, image: ImageRecord, name: str) -> None:
        """An event about an image: its labels go with each."""
        self._events.publish("image", action, image.id, {**(image.config.get("Labels") or {}), "name": name})

    async def import_(
        self, body: AsyncIterable[bytes], *, name: str, message: str, config: ContainerConfig, platform: Platform
    ) -> ImageRecord:
        """An image of one layer: a root file system's tar, compressed or not. Raises InvalidArgument."""

        def work(feed: Feed) -> tuple[Fresh, bytes]:
            try:
                fresh = self.layers.unpack(feed.next)
            except TarFault as error:
                raise InvalidArgument(f"the archive can't be imported: {error}") from error
            try:
                content = self._document(None, config, [fresh.diff_id], platform, comment=message or "Imported from -")
                self._chain([fresh.diff_id], {fresh.diff_id: fresh})
                self.blobs.put(content)
                return fresh, content
            finally:
                self.layers.discard(fresh)

        with self.layers.adding(), self.blobs.adding():
            _, content = await run_on_stream(body, work)
            return self._add(content, Known(comment=message), [name] if name else [], "import")

    async def commit(
        self,
        *,
        parent: ImageRecord | None,
        snapshot: str,
        config: ContainerConfig,
        repository: str | None = None,
        tag: str | None = None,
        comment: str = "",
        author: str = "",
        created_by: str = "",
        container: str = "",
        made_in: ContainerConfig | None = None,
    ) -> str:
        name = familiar_name(repository, tag) if repository else ""

        def work(feed: Feed) -> bytes:
            fresh = self.layers.unpack(feed.next)
            try:
                below = list(parent.diff_ids) if parent is not None else []
                # Nothing changed: no layer, as dockerd has it.
                added = [] if fresh.diff_id == NO_CHANGE else [fresh.diff_id]
                platform = platform_of(parent)
                content = self._document(
                    parent,
                    config,
                    [*below, *added],
                    platform,
                    comment=comment,
                    author=author,
                    created_by=created_by,
                    container=container,
                    made_in=made_in,
                )
                self._chain([*below, *added], {fresh.diff_id: fresh})
                self.blobs.put(content)
                return content
            finally:
                self.layers.discard(fresh)

        with self.layers.adding(), self.blobs.adding():
            async with self._snapshots.diff_tar(snapshot) as pieces:
                content = await run_on_stream(pieces, work)
            known = Known(parent=parent.id if parent is not None else "", comment=comment, container=container)
            return self._add(content, known, [name] if name else [], "create" if not name else "tag").id

    async def add_built(self, content: bytes, names: Sequence[str], *, parent: str = "") -> ImageRecord:
        """An image whose JSON is `content`, of layers that are there; it gets each of `names`, familiar ones."""
        with self.layers.adding(), self.blobs.adding():
            await to_thread.run_sync(self.blobs.put, content)
            image = self._add(content, Known(parent=parent), (), "")
            for name in names:
                self.index.name(image.id, name, now=self._clock.now())
                self._events.publish("image", "tag", image.id, {"name": name})
            return self.index.get(image.id)

    def _document(
        self,
        parent: ImageRecord | None,
        config: ContainerConfig,
        diff_ids: Sequence[str],
        platform: Platform,
        *,
        comment: str = "",
        author: str = "",
        created_by: str = "",
        container: str = "",
        made_in: ContainerConfig | None = None,
    ) -> bytes:
        created = rfc3339(self._clock.now())
        line: dict[str, Any] = {"created": created, "created_by": created_by, "author": author, "comment": comment}
        line["empty_layer"] = parent is not None and len(diff_ids) == len(parent.diff_ids)
        history = list(parent.document.get("history") or ()) if parent is not None else []
        document: dict[str, Any] = {
            "architecture": platform.architecture,
            "author": author,
            "comment": comment,
            "config": config,
            "container": container,
            "container_config": made_in,
            "created": created,
            "history": [*history, {key: value for key, value in line.items() if value}],
            "os": platform.os,
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            "variant": platform.variant,
        }
        kept = {key: value for key, value in document.items() if value or key in {"config", "history", "rootfs"}}
        return json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()

    # --- naming
    def tag(self, reference: str, repository: str, tag: str) -> None:
        """Raises NotFound, InvalidArgument."""
        image = self.index.get(reference)
        name = familiar_name(repository, tag)
        self.index.name(image.id, name, now=self._clock.now())
        self.tell("tag", image, name)

    # --- going out
    def save(self, references: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """An archive that is a docker archive and an OCI layout in one. Raises NotFound before anything is made."""
        chosen: dict[str, tuple[ImageRecord, list[str]]] = {}
        for reference in references:
            image = self.index.get(reference)
            names = chosen.setdefault(image.id, (image, []))[1]
            named = self.index.name_fitting(reference)
            if named is not None and "@" not in named and named not in names:
                names.append(named)
            elif named is None and self._is_repository(reference, image):
                names += [name for name in image.names if name not in names]
        for image, _ in chosen.values():
            self.tell("save", image, image.id)
        return pieces_from_thread(lambda: save_archive(list(chosen.values()), self.blobs, self.layers))

    def _is_repository(self, reference: str, image: ImageRecord) -> bool:
        return any(name.rpartition(":")[0] == reference for name in image.names)

    # --- collecting
    async def collect(self) -> int:
        """Remove layers and blobs that nothing needs any more → bytes that are free now."""
        others = {chain for kept in self.also_kept for chain in kept()}
        tops = self.index.tops() | set(self._snapshots.parents()) | others
        unused = self.layers.forget_unused(tops)
        keep = self.index.digests_in_use()
        return await to_thread.run_sync(lambda: self.layers.sweep(unused) + self.blobs.collect(keep))


def familiar_name(repository: str, tag: str | None) -> str:
    """Raises InvalidArgument."""
    try:
        parsed = Reference.parse(f"{repository}:{tag}" if tag else repository)
    except ValueError as error:
        raise InvalidArgument(f"invalid reference format: {error}") from error
    if parsed.digest is not None:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    if parsed.path in {"sha256", "library/sha256"}:
        raise InvalidArgument("refusing to create an ambiguous tag using digest algorithm as name")
    return parsed.with_default_tag().familiar


def platform_of(image: ImageRecord | None) -> Platform:
    if image is None:
        return Platform.here()
    document = image.document
    here = Platform.here()
    return Platform(
        str(document.get("os") or here.os),
        str(document.get("architecture") or here.architecture),
        str(document.get("variant") or ""),
    )
