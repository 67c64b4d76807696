"""/networks: made, listed, inspected, removed, connected. Source: Engine API v1.50, Network."""

from __future__ import annotations

from typing import Any, cast

from engine.api.errors import InvalidArgument, NotFound
from engine.api.networks import NetworkInspect
from engine.daemon.networks.registry import LIST_FILTERS, PRUNE_FILTERS, NetworkRegistry
from engine.daemon.protocols import Containers, Users
from engine.daemon.server.request import Request, Version
from engine.daemon.server.router import Route

# The version that first shows a field.
IPV4_SWITCH: Version = (1, 48)
# Before it a network's name was taken twice unless CheckDuplicate asked otherwise.
NAMES_ARE_UNIQUE: Version = (1, 44)


def routes(networks: NetworkRegistry, users: Users) -> list[Route]:
    async def list_networks(request: Request) -> None:
        found = networks.listed(request.filters(LIST_FILTERS))
        await request.answer_json([shown(network, request.version) for network in found])

    async def inspect(request: Request) -> None:
        found = networks.inspect(request.parameters["id"], scope=request.text("scope"))
        await request.answer_json(shown(found, request.version))

    async def create(request: Request) -> None:
        body = await request.json()
        twice = request.version < NAMES_ARE_UNIQUE and not body.get("CheckDuplicate")
        id, warning = await networks.create(body, twice=twice)
        await request.answer_json({"Id": id, "Warning": warning}, 201)

    async def remove(request: Request) -> None:
        await networks.remove(request.parameters["id"])
        await request.answer_empty(204)

    async def connect(request: Request) -> None:
        body = await request.json()
        endpoint = body.get("EndpointConfig") or {}
        if not isinstance(endpoint, dict):
            raise InvalidArgument("invalid EndpointConfig: it must be an object")
        network, container = request.parameters["id"], container_of(body)
        await containers(users, container).connect_network(network, container, cast(Any, endpoint))
        await request.answer_empty(200)

    async def disconnect(request: Request) -> None:
        body = await request.json()
        network, container = request.parameters["id"], container_of(body)
        # `Force` is for what a cluster's other node left: here no endpoint outlives its container.
        await containers(users, container).disconnect_network(network, container)
        await request.answer_empty(200)

    async def prune(request: Request) -> None:
        await request.answer_json(await networks.prune(request.filters(PRUNE_FILTERS)))

    return [
        Route("GET", "/networks", list_networks),
        Route("GET", "/networks/", list_networks),
        Route("POST", "/networks/create", create),
        Route("POST", "/networks/prune", prune),
        Route("POST", "/networks/{id}/connect", connect),
        Route("POST", "/networks/{id}/disconnect", disconnect),
        Route("GET", "/networks/{id}", inspect),
        Route("DELETE", "/networks/{id}", remove),
    ]


def container_of(body: dict[str, Any]) -> str:
    container = body.get("Container")
    if not isinstance(container, str) or not container:
        raise InvalidArgument("the body must name a Container")
    return container


def containers(users: Users, container: str) -> Containers:
    if users.containers is None:
        raise NotFound(f"No such container: {container}")
    return users.containers


def shown(network: NetworkInspect, version: Version) -> NetworkInspect:
    """As that version of the API has it."""
    if version >= IPV4_SWITCH:
        return network
    return cast(NetworkInspect, {key: value for key, value in network.items() if key != "EnableIPv4"})
