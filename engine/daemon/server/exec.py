"""/containers/{id}/exec and /exec: made, started (joined or detached), resized, inspected. Source: Engine API v1.50."""

from __future__ import annotations

from typing import Any

from engine.api.errors import InvalidArgument
from engine.daemon.containers.detach_keys import parse_keys
from engine.daemon.containers.execs import TYPES
from engine.daemon.containers.room import ContainerRoom
from engine.daemon.server.containers import size_of
from engine.daemon.server.request import Request
from engine.daemon.server.router import Route


def routes(room: ContainerRoom) -> list[Route]:
    async def create(request: Request) -> None:
        entry = room.shelf.get(request.parameters["id"])
        body = await request.json(TYPES)
        keys = body.get("DetachKeys") or ""
        if not isinstance(keys, str):
            raise InvalidArgument("invalid JSON: the value of DetachKeys has the wrong type")
        id = room.execs.create(entry, body, parse_keys(keys))
        await request.answer_json({"Id": id}, 201)

    async def start(request: Request) -> None:
        found = room.execs.get(request.parameters["id"])
        body = await request.json(("Detach", "Tty", "ConsoleSize"))
        if body.get("Detach"):
            await room.execs.run_alone(found)
            await request.answer_empty(200)
            return
        raw = bool(body.get("Tty"))
        await room.execs.run(found, lambda: request.take_over(tty=raw), console_size(body), raw=raw)

    async def resize(request: Request) -> None:
        height, width = size_of(request)
        await room.execs.resize(room.execs.get(request.parameters["id"]), height=height, width=width)
        await request.answer_empty(200)

    async def inspect(request: Request) -> None:
        await request.answer_json(room.execs.inspect(room.execs.get(request.parameters["id"])))

    return [
        Route("POST", "/containers/{id}/exec", create),
        Route("POST", "/exec/{id}/start", start),
        Route("POST", "/exec/{id}/resize", resize),
        Route("GET", "/exec/{id}/json", inspect),
    ]


def console_size(body: dict[str, Any]) -> tuple[int, int] | None:
    """[height, width]; from 1.42 on."""
    size = body.get("ConsoleSize")
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(n, int) and 0 < n < 65536 for n in size):
        return None
    return size[0], size[1]
