"""/volumes."""

from __future__ import annotations

from engine.daemon.containers.body_types import check_types
from engine.daemon.server.request import Request
from engine.daemon.server.router import Route
from engine.daemon.volumes.volumes import LIST_FILTERS, PRUNE_FILTERS, LocalVolumes, boolean

BODY = {"Name": str, "Driver": str, "DriverOpts": dict, "Labels": dict}


def routes(volumes: LocalVolumes) -> list[Route]:
    async def list_(request: Request) -> None:
        found = volumes.list(request.filters(LIST_FILTERS))
        await request.answer_json({"Volumes": found, "Warnings": None})

    async def create(request: Request) -> None:
        body = await request.json(BODY)
        check_types(body, BODY)
        await request.answer_json(await volumes.create(body), 201)

    async def inspect(request: Request) -> None:
        await request.answer_json(volumes.get(request.parameters["name"]))

    async def remove(request: Request) -> None:
        await volumes.remove(request.parameters["name"], force=request.flag("force"))
        await request.answer_empty()

    async def prune(request: Request) -> None:
        filters = request.filters(PRUNE_FILTERS)
        # before 1.42 named volumes went too
        everything = request.version < (1, 42) or any(boolean("all", value) for value in filters.get("all", ()))
        await request.answer_json(await volumes.prune(filters, all=everything))

    return [
        Route("GET", "/volumes", list_),
        Route("POST", "/volumes/create", create),
        Route("POST", "/volumes/prune", prune, since=(1, 25)),
        Route("GET", "/volumes/{name}", inspect),
        Route("DELETE", "/volumes/{name}", remove),
    ]
