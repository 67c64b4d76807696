"""Volumes: looked at by VolumeReader, changed by VolumeWriter."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from engine.client.calls import Calls, Filters, filters_of, name_in_path

if TYPE_CHECKING:
    # For annotations only: making the shapes' classes costs 10 ms.
    from engine.api.volumes import VolumeCreate, VolumeInspect, VolumesPruned

    # Inside the classes, `list` is the call.
    Volumes: TypeAlias = list[VolumeInspect]


class VolumeReader:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list(self, *, filters: Filters | None = None) -> Volumes:
        """A name filter matches parts of names: compare again."""
        found = await self._calls.get("/volumes", filters=filters_of(filters))
        volumes: Volumes = (found or {}).get("Volumes") or []
        return volumes

    async def inspect(self, volume: str) -> VolumeInspect:
        found: VolumeInspect = await self._calls.get(f"/volumes/{name_in_path(volume)}")
        return found


class VolumeWriter(VolumeReader):
    async def create(self, body: VolumeCreate) -> VolumeInspect:
        """A volume that is there already is given back as it is, whatever the body says."""
        made: VolumeInspect = await self._calls.post("/volumes/create", body)
        return made

    async def remove(self, volume: str, *, force: bool = False) -> None:
        """With `force`, a missing volume is no fault."""
        await self._calls.delete(f"/volumes/{name_in_path(volume)}", force=force or None)

    async def prune(self, *, filters: Filters | None = None) -> VolumesPruned:
        """Anonymous volumes that nothing uses; `all=true` in the filters (from 1.42) takes named ones too."""
        pruned: VolumesPruned = await self._calls.post("/volumes/prune", filters=filters_of(filters))
        return pruned
