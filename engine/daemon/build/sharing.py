"""A build's caches at registries: what others built is found there, what was built here is put there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from anyio import to_thread

from engine.api.errors import EngineError
from engine.credentials.config import Credentials, registry_of, server_key
from engine.daemon.build.faults import StepFault
from engine.daemon.build.options import CacheTarget
from engine.daemon.build.portable import (
    ARTIFACT,
    LARGEST_CONFIG,
    PortableCache,
    PortableStep,
    added_layer,
    config_of,
    manifest_of,
    read_config,
)
from engine.daemon.build.rooms import BuildRooms
from engine.daemon.build.state import State
from engine.daemon.images.pull import digest_in, size_in
from engine.daemon.images.sources import LayerSource
from engine.daemon.snapshots.layers import chain_id_of
from engine.daemon.snapshots.tarread import TarFault
from engine.oci.reference import Reference
from engine.registry.client.answers import OCI_MANIFEST
from engine.registry.client.faults import Damaged, RemoteFault
from engine.registry.client.remote import Remote

Given = Mapping[str, Mapping[str, str]]


class SharedCaches:
    """Of one build. `credentials` are the request's, by registry."""

    def __init__(self, rooms: BuildRooms, credentials: Given) -> None:
        self._rooms = rooms
        self._credentials = credentials
        self._found: list[tuple[Remote, PortableCache]] = []

    def _remote(self, name: str) -> tuple[Remote, Reference]:
        """Raises StepFault."""
        try:
            reference = Reference.parse(name).with_default_tag()
        except ValueError as error:
            raise StepFault(f"the cache {name}: invalid reference format: {error}") from None
        host = registry_of(name)
        known = self._credentials.get(host) or self._credentials.get(server_key(host))
        return self._rooms.pulls.registries.remote(reference, cast(Credentials | None, known)), reference

    # --- taken from
    async def open(self, name: str) -> str:
        """Look what is there → a word about it. One that isn't there or can't be read is no fault: there is none yet.

        Raises StepFault for a name that is none.
        """
        remote, reference = self._remote(name)
        try:
            manifest = (await remote.manifest(reference.digest or reference.tag)).document
            if manifest.get("artifactType") != ARTIFACT or not isinstance(manifest.get("config"), dict):
                return f"{name} is no cache of this builder's: it is left out"
            config = manifest["config"]
            content = await remote.document(digest_in(config), size_in(config), LARGEST_CONFIG)
            found = read_config(content)
        except (RemoteFault, ValueError) as fault:
            return f"no cache is taken from {name}: {fault}"
        self._found.append((remote, found))
        return f"the cache {name} has {len(found.steps)} steps"

    async def bring(self, key: str) -> State | None:
        """The step, its layers fetched as far as they are not here. A registry that fails has no such step."""
        for remote, cache in self._found:
            step = cache.steps.get(key)
            if step is not None and await self._brought(remote, cache, step):
                self._rooms.cache.keep(step.parent, step.state, step.description, step.size)
                return step.state
        return None

    async def _brought(self, remote: Remote, cache: PortableCache, step: PortableStep) -> bool:
        parent = ""
        for diff_id in step.state.diff_ids:
            known = await to_thread.run_sync(self._rooms.layers.append_known, parent, diff_id)
            if known is None and not await self._fetched(remote, cache, parent, diff_id):
                return False
            parent = chain_id_of(parent, diff_id)
        return True

    async def _fetched(self, remote: Remote, cache: PortableCache, parent: str, diff_id: str) -> bool:
        descriptor = cache.layers.get(diff_id)
        if descriptor is None:
            return False
        try:
            async with self._rooms.pulls.downloads.joined(remote, descriptor, lambda what, so_far, whole: None) as one:
                fresh = await one.finished()
                if fresh.diff_id != diff_id:
                    raise Damaged(f"the layer {descriptor.digest} unpacks to {fresh.diff_id}, not {diff_id}")
                await to_thread.run_sync(self._rooms.layers.append, parent, fresh)
        except (RemoteFault, TarFault):
            return False
        return True

    # --- put to
    async def export(self, target: CacheTarget, ends: Sequence[State]) -> str:
        """All steps that led to these states → a word about it. Raises StepFault, and what a push raises."""
        remote, reference = self._remote(target.name)
        steps = [step for end in ends for step in self._rooms.cache.line(end.key)]
        unique = list({step.state.key: step for step in steps}.values())
        layers: dict[str, LayerSource] = {}
        try:
            for step in unique:
                if (added := added_layer(step.state)) is not None and added[1] not in layers:
                    layers[added[1]] = await self._rooms.pushes.push_layer(remote, reference, *added, unheard)
            config = config_of(unique, layers)
            await remote.put_blob(config)
            await remote.put_manifest(reference.tag, OCI_MANIFEST, manifest_of(config, layers))
        except (RemoteFault, EngineError) as fault:
            raise StepFault(f"the cache can't be put to {target.name}: {fault}") from fault
        return f"Exported the cache to {target.name}: {len(unique)} steps, {len(layers)} layers"


def unheard(line: Mapping[str, object]) -> None:
    """A push tells its progress; a build has no place for it."""
