"""Networks: looked at by NetworkReader, changed by NetworkWriter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from engine.client.calls import Calls, Filters, filters_of, name_in_path

if TYPE_CHECKING:
    # For annotations only: making the shapes' classes costs 10 ms.
    from engine.api.networks import EndpointSettings, NetworkCreate, NetworkCreated, NetworkInspect, NetworksPruned

    # Inside the classes, `list` is the call.
    Networks: TypeAlias = list[NetworkInspect]


class NetworkReader:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list(self, *, filters: Filters | None = None) -> Networks:
        """A name filter matches parts of names: compare again."""
        found: Networks = await self._calls.get("/networks", filters=filters_of(filters))
        return found

    async def inspect(self, network: str, *, verbose: bool = False, scope: str | None = None) -> NetworkInspect:
        found: NetworkInspect = await self._calls.get(
            f"/networks/{name_in_path(network)}", verbose=verbose or None, scope=scope
        )
        return found


class NetworkWriter(NetworkReader):
    async def create(self, body: NetworkCreate) -> NetworkCreated:
        made: NetworkCreated = await self._calls.post("/networks/create", body)
        return made

    async def remove(self, network: str) -> None:
        await self._calls.delete(f"/networks/{name_in_path(network)}")

    async def connect(self, network: str, container: str, endpoint: EndpointSettings | None = None) -> None:
        body: dict[str, Any] = {"Container": container}
        if endpoint is not None:
            body["EndpointConfig"] = endpoint
        await self._calls.act(f"/networks/{name_in_path(network)}/connect", body)

    async def disconnect(self, network: str, container: str, *, force: bool = False) -> None:
        body = {"Container": container, "Force": force}
        await self._calls.act(f"/networks/{name_in_path(network)}/disconnect", body)

    async def prune(self, *, filters: Filters | None = None) -> NetworksPruned:
        pruned: NetworksPruned = await self._calls.post("/networks/prune", filters=filters_of(filters))
        return pruned
