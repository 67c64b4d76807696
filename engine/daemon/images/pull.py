"""Pulling: a name becomes a manifest, its layers come in parallel and go into the store in order, the name comes last.

For builders too: `await pulls.pull("debian:12", credentials=…, platform=…, told=…)` gives the ImageRecord. `told` gets
Docker's progress lines as dicts; faults are engine.api's, in Docker's words. A pull that was cancelled or failed leaves
no image, but the layers that were whole are kept for a day, so that the next try goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from anyio import to_thread

from engine.api.errors import InvalidArgument, SystemFailure
from engine.credentials.config import Credentials
from engine.daemon.content.blobs import Blobs
from engine.daemon.images.downloads import Download, Downloads, LayerDescriptor
from engine.daemon.images.fitting import check_platform, choose
from engine.daemon.images.index import ImageIndex, Known, document_of
from engine.daemon.images.pull_progress import LayerLines, Told, status_line
from engine.daemon.images.registry_words import pulling
from engine.daemon.images.sources import LayerSource, LayerSources
from engine.daemon.protocols import Events, ImageRecord, Store
from engine.daemon.snapshots.layers import Layers
from engine.kit.clock import Clock
from engine.oci.digest import Digest
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from engine.registry.client.faults import Damaged, RemoteFault
from engine.registry.client.registries import Registries
from engine.registry.client.remote import INDEXES, Fetched, Remote

LARGEST_CONFIG = 8 << 20
KEPT = "kept-layer"
KEPT_SECONDS = 86400.0
MOST_NESTED = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a manifest asks for. `named` is the digest that the name stands for: an index's, where there is one."""

    named: Digest
    config: Digest
    config_size: int | None
    layers: tuple[LayerDescriptor, ...]
    manifests: tuple[Fetched, ...]


class Pulls:
    def __init__(
        self,
        index: ImageIndex,
        layers: Layers,
        blobs: Blobs,
        store: Store,
        events: Events,
        clock: Clock,
        registries: Registries,
    ) -> None:
        self.registries = registries
        self.sources = LayerSources(store)
        self.downloads = Downloads(layers)
        self._index = index
        self._layers = layers
        self._blobs = blobs
        self._store = store
        self._events = events
        self._clock = clock

    async def pull(
        self,
        reference: str,
        *,
        credentials: Credentials | None = None,
        platform: Platform | None = None,
        told: Told = lambda line: None,
    ) -> ImageRecord:
        """The image that a tag or digest stands for now. Raises InvalidArgument, NotFound, SystemFailure.

        `platform` None: this machine's. What is here already is not fetched again.
        """
        try:
            parsed = Reference.parse(reference).with_default_tag()
        except ValueError as error:
            raise InvalidArgument(f"invalid reference format: {error}") from error
        with pulling(parsed):
            remote, fetched = await self._find(parsed, credentials)
            told(status_line(f"Pulling from {parsed.path}", str(parsed.digest or parsed.tag)))
            wanted = await self._wanted(parsed, remote, fetched, platform)
            before = self._index.find(parsed.familiar)
            image = await self._take(remote, parsed, wanted, platform, told)
        told({"status": f"Digest: {wanted.named}"})
        same = before is not None and before.id == image.id
        verdict = "Image is up to date for" if same else "Downloaded newer image for"
        told({"status": f"Status: {verdict} {parsed.familiar}"})
        return image

    async def pull_all(
        self,
        repository: str,
        *,
        credentials: Credentials | None = None,
        platform: Platform | None = None,
        told: Told = lambda line: None,
    ) -> list[ImageRecord]:
        """Every tag of a repository. Raises as `pull` does."""
        try:
            parsed = Reference.parse(repository)
        except ValueError as error:
            raise InvalidArgument(f"invalid reference format: {error}") from error
        with pulling(parsed):
            tags = await self.registries.remote(parsed, credentials).tags()
        found = []
        for tag in tags:
            one = f"{parsed.familiar}:{tag}"
            found.append(await self.pull(one, credentials=credentials, platform=platform, told=told))
        return found

    async def _find(self, parsed: Reference, credentials: Credentials | None) -> tuple[Remote, Fetched]:
        """The first registry that has it: a mirror that hasn't, or doesn't answer, is passed over."""
        *mirrors, registry = self.registries.remotes(parsed, credentials)
        wanted = parsed.digest or parsed.tag
        for mirror in mirrors:
            try:
                return mirror, await mirror.manifest(wanted)
            except RemoteFault:
                continue
        return registry, await registry.manifest(wanted)

    # --- what the manifest asks for
    async def _wanted(self, parsed: Reference, remote: Remote, fetched: Fetched, platform: Platform | None) -> Wanted:
        named, manifests = fetched.digest, [fetched]
        while manifests[-1].media_type in INDEXES:
            if len(manifests) > MOST_NESTED:
                raise Damaged("the index names an index, and that another one: too many")
            chosen = choose(manifests[-1].document.get("manifests"), platform or Platform.here())
            manifests.append(await remote.manifest(digest_in(chosen)))
        document = manifests[-1].document
        config, layers = document.get("config"), document.get("layers")
        if document.get("schemaVersion") == 1:
            raise SystemFailure(
                f"{parsed.familiar} is an image of schema version 1, which is no longer taken: push it anew"
            )
        if not isinstance(config, dict) or not isinstance(layers, list):
            raise SystemFailure(f"{parsed.familiar} is no image: its manifest has no config or no layers")
        return Wanted(named, digest_in(config), size_in(config), tuple(map(layer_of, layers)), tuple(manifests))

    # --- taking it in
    async def _take(
        self, remote: Remote, parsed: Reference, wanted: Wanted, platform: Platform | None, told: Told
    ) -> ImageRecord:
        id = str(wanted.config)
        with self._layers.adding(), self._blobs.adding():
            if id not in self._index.ids():
                content = await remote.document(wanted.config, wanted.config_size, LARGEST_CONFIG)
                document = document_of(content)
                check_platform(parsed.familiar, document, platform)
                await self._take_layers(remote, parsed, document["rootfs"]["diff_ids"], wanted.layers, told)
                await to_thread.run_sync(self._blobs.put, content)
            else:
                content = self._blobs.get(wanted.config)
                check_platform(parsed.familiar, document_of(content), platform)
            kept = [str(await to_thread.run_sync(self._blobs.put, one.content, one.digest)) for one in wanted.manifests]
            manifest = {"digest": kept[-1], "mediaType": wanted.manifests[-1].media_type, "blobs": kept}
            self._index.add(id, content, Known(manifest=manifest))
            self._name(parsed, id, wanted.named)
            for chain_id in self._index.get(id).chain_ids:
                self._store.delete(KEPT, chain_id)
        return self._index.get(id)

    def _name(self, parsed: Reference, id: str, named: Digest) -> None:
        if parsed.tag and parsed.digest is None:
            self._index.name(id, parsed.familiar, now=self._clock.now())
        by_digest = replace(parsed, tag="", digest=named).familiar
        self._index.name(id, by_digest, now=self._clock.now())
        self._events.publish("image", "pull", parsed.familiar, {"name": parsed.familiar})

    async def _take_layers(
        self,
        remote: Remote,
        parsed: Reference,
        diff_ids: Sequence[str],
        descriptors: Sequence[LayerDescriptor],
        told: Told,
    ) -> None:
        if len(diff_ids) != len(descriptors):
            raise Damaged("layers from manifest don't match image configuration")
        async with AsyncExitStack() as stack:
            joined: dict[Digest, Download] = {}
            here = self._have(diff_ids)
            for diff_id, descriptor in zip(diff_ids, descriptors, strict=True):
                lines = LayerLines(descriptor, told)
                if diff_id in here:
                    lines.exists()
                elif descriptor.digest not in joined:
                    lines.begins()
                    context = self.downloads.joined(remote, descriptor, lines)
                    joined[descriptor.digest] = await stack.enter_async_context(context)
            parent = ""
            for diff_id, descriptor in zip(diff_ids, descriptors, strict=True):
                parent = await self._append(parent, diff_id, descriptor, joined, told)
                self._remember(parsed, diff_id, descriptor)
                self._keep(parent)

    def _have(self, diff_ids: Sequence[str]) -> set[str]:
        return {diff_id for diff_id in diff_ids if self._layers.has_diff(diff_id)}

    async def _append(
        self,
        parent: str,
        diff_id: str,
        descriptor: LayerDescriptor,
        joined: Mapping[Digest, Download],
        told: Told,
    ) -> str:
        """The layer on top of `parent` → the chain's id."""
        download = joined.get(descriptor.digest)
        if download is not None:
            fresh = await download.finished()
            if fresh.diff_id != diff_id:
                raise Damaged(
                    f"the layer {descriptor.digest} unpacks to {fresh.diff_id}, not {diff_id} as its image says"
                )
            layer = await to_thread.run_sync(self._layers.append, parent, fresh)
            LayerLines(descriptor, told).pulled()
            return layer.chain_id
        known = await to_thread.run_sync(self._layers.append_known, parent, diff_id)
        if known is None:
            raise SystemFailure(f"the layer {diff_id} went away meanwhile: pull again")
        return known.chain_id

    def _remember(self, parsed: Reference, diff_id: str, descriptor: LayerDescriptor) -> None:
        where = f"{parsed.domain}/{parsed.path}"
        source = LayerSource(str(descriptor.digest), descriptor.size, descriptor.media_type, where)
        self.sources.remember(diff_id, source)

    # --- layers of pulls that didn't end
    def _keep(self, chain_id: str) -> None:
        self._store.put(KEPT, chain_id, self._clock.now() + KEPT_SECONDS)

    def kept(self) -> set[str]:
        """Chains that stay though no image has them; those whose day is over are forgotten."""
        now, found = self._clock.now(), set()
        for chain_id, until in self._store.list(KEPT).items():
            if until < now:
                self._store.delete(KEPT, chain_id)
            else:
                found.add(chain_id)
        self.sources.keep_only([layer.diff_id for layer in self._layers.all()])
        return found


def layer_of(item: Any) -> LayerDescriptor:
    digest, size = digest_in(item), size_in(item)
    if size is None:
        raise Damaged("the manifest has a layer without a size")
    return LayerDescriptor(digest, size, str(item.get("mediaType") or ""))


def digest_in(item: Any) -> Digest:
    """Raises Damaged."""
    try:
        return Digest.parse(item["digest"])
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"the manifest has a descriptor that can't be read: {error}") from error


def size_in(item: Mapping[str, Any]) -> int | None:
    size = item.get("size")
    return size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None
