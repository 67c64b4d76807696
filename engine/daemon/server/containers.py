"""/containers: made, listed, inspected, started, ended, removed. Streams are in container_streams.

Source: Engine API v1.50, Container; what differs between versions stands at its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import anyio

from engine.api.containers import ContainerCreate
from engine.api.errors import Conflict, InvalidArgument, NotFound
from engine.daemon.containers.body_types import ENDPOINT_TYPES, check_types
from engine.daemon.containers.configuration import CONFIG_KEYS
from engine.daemon.containers.filters import LIST_FILTERS, PRUNE_FILTERS
from engine.daemon.containers.room import ContainerRoom
from engine.daemon.containers.shelf import Entry
from engine.daemon.server.request import Request
from engine.daemon.server.router import Route

BODY_KEYS = (*CONFIG_KEYS, "HostConfig", "NetworkingConfig")
CONDITIONS = ("not-running", "next-exit", "removed")


def routes(room: ContainerRoom) -> list[Route]:
    lifecycle = room.lifecycle

    def entry_of(request: Request) -> Entry:
        return room.shelf.get(request.parameters["id"])

    async def list_(request: Request) -> None:
        filters = request.filters(LIST_FILTERS)
        limit = request.integer("limit")
        found = await room.listed(filters, all=request.flag("all"), limit=limit, size=request.flag("size"))
        await request.answer_json([shown_summary(cast(dict[str, Any], one), request) for one in found])

    async def create(request: Request) -> None:
        content_type = request.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise InvalidArgument(f'unsupported Content-Type header ({content_type}): must be "application/json"')
        body = cast(ContainerCreate, as_of(await request.json(BODY_KEYS), request))
        name = request.text("name") or None
        made = await room.creation.create(body, name=name, platform=request.platform())
        await request.answer_json({"Id": made["Id"], "Warnings": made["Warnings"] or []}, 201)

    async def inspect(request: Request) -> None:
        found = await room.inspect(entry_of(request), size=request.flag("size"))
        await request.answer_json(shown(cast(dict[str, Any], found), request))

    async def start(request: Request) -> None:
        changed = await lifecycle.start(entry_of(request))
        await request.answer_empty(204 if changed else 304)

    async def stop(request: Request) -> None:
        entry, grace = entry_of(request), request.integer("t")
        changed = await lifecycle.stop(entry, signal_word=signal_of(request), grace_seconds=grace)
        await request.answer_empty(204 if changed else 304)

    async def restart(request: Request) -> None:
        entry, grace = entry_of(request), request.integer("t")
        await lifecycle.restart(entry, signal_word=signal_of(request), grace_seconds=grace)
        await request.answer_empty(204)

    async def kill(request: Request) -> None:
        try:
            await lifecycle.kill(entry_of(request), request.text("signal") or None)
        except (NotFound, Conflict) as error:
            raise type(error)(f"Cannot kill container: {request.parameters['id']}: {error.message}") from None
        await request.answer_empty(204)

    async def pause(request: Request) -> None:
        await lifecycle.pause(entry_of(request))
        await request.answer_empty(204)

    async def unpause(request: Request) -> None:
        await lifecycle.unpause(entry_of(request))
        await request.answer_empty(204)

    async def rename(request: Request) -> None:
        name = request.text("name")
        if not name:
            raise InvalidArgument("Neither old nor new names may be empty")
        await lifecycle.rename(entry_of(request), name)
        await request.answer_empty(204)

    async def update(request: Request) -> None:
        warnings = await lifecycle.update(entry_of(request), await request.json())
        await request.answer_json({"Warnings": warnings or None})

    async def remove(request: Request) -> None:
        if request.flag("link"):
            await lifecycle.unlink(request.parameters["id"])
        else:
            entry = entry_of(request)
            await lifecycle.remove(entry, force=request.flag("force"), volumes=request.flag("v"))
        await request.answer_empty(204)

    async def prune(request: Request) -> None:
        await request.answer_json(await room.prune(request.filters(PRUNE_FILTERS)))

    async def wait(request: Request) -> None:
        """The head goes out at once: a client starts the container when it has it."""
        entry, condition = entry_of(request), request.text("condition") or "not-running"
        if condition not in CONDITIONS:
            raise InvalidArgument(f'invalid condition: "{condition}": want {", ".join(CONDITIONS)}')
        result = anyio.Event()
        code = 0

        async def watch() -> None:
            nonlocal code
            code = await lifecycle.wait(entry, condition)
            result.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            # Registered before the client hears of it.
            await anyio.lowlevel.checkpoint()
            async with request.stream("application/json") as send:
                await result.wait()
                await send(json.dumps({"StatusCode": code, "Error": None}).encode() + b"\n")
            tasks.cancel_scope.cancel()

    async def top(request: Request) -> None:
        await request.answer_json(await room.stats.top(entry_of(request), request.text("ps_args")))

    async def changes(request: Request) -> None:
        entry = entry_of(request)
        await request.answer_json(await room.rooms.snapshots.changes(entry.id) or None)

    async def resize(request: Request) -> None:
        height, width = size_of(request)
        await lifecycle.resize(entry_of(request), height=height, width=width)
        await request.answer_empty(200)

    async def commit(request: Request) -> None:
        entry = room.shelf.get(request.text("container"))
        config = await request.json()
        id = await room.committing.commit(
            entry,
            repository=request.text("repo"),
            tag=request.text("tag"),
            comment=request.text("comment"),
            author=request.text("author"),
            pause=request.flag("pause", True),
            changes=request.texts("changes"),
            config=config,
        )
        await request.answer_json({"Id": id}, 201)

    return [
        Route("GET", "/containers/json", list_),
        Route("POST", "/containers/create", create),
        Route("POST", "/containers/prune", prune),
        Route("GET", "/containers/{id}/json", inspect),
        Route("POST", "/containers/{id}/start", start),
        Route("POST", "/containers/{id}/stop", stop),
        Route("POST", "/containers/{id}/restart", restart),
        Route("POST", "/containers/{id}/kill", kill),
        Route("POST", "/containers/{id}/pause", pause),
        Route("POST", "/containers/{id}/unpause", unpause),
        Route("POST", "/containers/{id}/rename", rename),
        Route("POST", "/containers/{id}/update", update),
        Route("POST", "/containers/{id}/wait", wait),
        Route("POST", "/containers/{id}/resize", resize),
        Route("GET", "/containers/{id}/top", top),
        Route("GET", "/containers/{id}/changes", changes),
        # with `link`, the id is container/alias
        Route("DELETE", "/containers/{id:path}", remove),
        Route("POST", "/commit", commit),
    ]


def signal_of(request: Request) -> str | None:
    """From 1.42 on; before it was not there, and is ignored."""
    return request.text("signal") or None if request.version >= (1, 42) else None


def size_of(request: Request) -> tuple[int, int]:
    """Raises InvalidArgument."""
    found = []
    for name in ("h", "w"):
        value = request.integer(name)
        if value is None or not 0 <= value <= 65535:
            raise InvalidArgument(f"invalid value for {name}: a number of rows or columns is meant")
        found.append(value)
    return found[0], found[1]


# --- versions: a request as of an older one, an answer as of an older one -------------------------------------------
def as_of(body: dict[str, Any], request: Request) -> dict[str, Any]:
    """What the version that the client speaks didn't know is not looked at. Raises InvalidArgument."""
    host = body.get("HostConfig")
    if host is not None and not isinstance(host, dict):
        raise InvalidArgument("invalid JSON: the value of HostConfig has the wrong type")
    networking = body.get("NetworkingConfig")
    if networking is not None and not isinstance(networking, dict):
        raise InvalidArgument("invalid JSON: the value of NetworkingConfig has the wrong type")
    endpoints = (networking or {}).get("EndpointsConfig")
    if endpoints is not None and not isinstance(endpoints, dict):
        raise InvalidArgument("invalid JSON: the value of EndpointsConfig has the wrong type")
    for name, settings in (endpoints or {}).items():
        if settings is not None and not isinstance(settings, dict):
            raise InvalidArgument(f"invalid JSON: the endpoint of network {name} has the wrong type")
        check_types(settings or {}, ENDPOINT_TYPES)
    if request.version < (1, 44):
        if endpoints and len(endpoints) > 1:
            raise InvalidArgument("Container cannot be connected to network endpoints: " + ", ".join(sorted(endpoints)))
        if isinstance(body.get("Healthcheck"), dict):
            body["Healthcheck"].pop("StartInterval", None)
    return body


def shown(found: dict[str, Any], request: Request) -> dict[str, Any]:
    """An inspect as the client's version has it."""
    made = dict(found)
    settings = dict(made["NetworkSettings"])
    if request.version >= (1, 44):
        made["Config"] = {key: value for key, value in made["Config"].items() if key != "MacAddress"}
    else:
        settings["Networks"] = without_dns_names(settings.get("Networks") or {})
    if request.version < (1, 45):
        settings["Networks"] = with_short_id(settings.get("Networks") or {}, str(made["Id"])[:12])
    made["NetworkSettings"] = settings
    return made


def shown_summary(found: dict[str, Any], request: Request) -> dict[str, Any]:
    if request.version < (1, 44):
        networks = without_dns_names(found["NetworkSettings"]["Networks"] or {})
        return {**found, "NetworkSettings": {"Networks": networks}}
    return found


def with_short_id(networks: Mapping[str, Any], short: str) -> dict[str, Any]:
    """Before DNSNames said it, a container's short id was one of its aliases in networks with names."""
    return {
        name: {**settings, "Aliases": list(dict.fromkeys([*(settings.get("Aliases") or []), short]))}
        if settings.get("EndpointID") and name not in ("bridge", "host", "none")
        else settings
        for name, settings in networks.items()
    }


def without_dns_names(networks: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: value for key, value in settings.items() if key not in ("DNSNames", "GwPriority")}
        for name, settings in networks.items()
    }
