"""/containers/{id}/attach, logs, stats, archive, export: what comes or goes as a stream.

Source: Engine API v1.50, Container.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from engine.api.errors import InvalidArgument
from engine.api.frames import Frame, encode
from engine.daemon.containers.attaching import AttachOptions
from engine.daemon.containers.detach_keys import parse_keys
from engine.daemon.containers.logtext import Wanted, log_details
from engine.daemon.containers.moments import nanoseconds_of
from engine.daemon.containers.room import ContainerRoom
from engine.daemon.containers.shelf import Entry
from engine.daemon.server.request import MULTIPLEXED_STREAM, RAW_STREAM, Request
from engine.daemon.server.router import Route
from engine.http.errors import HttpFault
from engine.http.upgraded import Upgraded
from engine.http.websocket import WebSocket, accept_key

TAR = "application/x-tar"
# So many lines make a chunk: one each would cost who reads old lines more than the lines do.
JOINED = 512


def routes(room: ContainerRoom) -> list[Route]:
    def entry_of(request: Request) -> Entry:
        return room.shelf.get(request.parameters["id"])

    async def attach(request: Request) -> None:
        entry = entry_of(request)
        options = options_of(request)
        await room.attaching.attach(entry, lambda: request.take_over(tty=entry.container.tty), options)

    async def attach_ws(request: Request) -> None:
        entry = entry_of(request)
        key = request.headers.get("sec-websocket-key")
        if request.headers.get("upgrade", "").lower() != "websocket" or not key:
            raise InvalidArgument("attach/ws is for WebSocket clients: the request asks for no upgrade to one")
        # Not framed, whatever the container: a message is a piece of output.
        options = replace(options_of(request), raw=True)

        @asynccontextmanager
        async def take_over() -> AsyncIterator[Upgraded]:
            async with request.exchange.take_over({}, {"Sec-WebSocket-Accept": accept_key(key)}) as stream:
                socket = WebSocket(stream)
                yield socket
                with suppress(HttpFault):
                    await socket.send_eof()

        await room.attaching.attach(entry, take_over, options)

    async def logs(request: Request) -> None:
        entry = entry_of(request)
        wanted = wanted_of(request)
        if request.flag("details"):
            wanted = replace(wanted, details=log_details(entry.container) + b" ")
        tty = entry.container.tty
        room.logs.check(entry)
        kind = (RAW_STREAM if tty else MULTIPLEXED_STREAM) if request.version >= (1, 42) else ""
        async with request.stream(kind or RAW_STREAM) as send:

            async def emit(frames: list[Frame]) -> None:
                pieces = [frame.data if tty else encode(frame) for frame in frames]
                for start in range(0, len(pieces), JOINED):
                    await send(b"".join(pieces[start : start + JOINED]))

            await room.logs.copy(entry, wanted, emit)

    async def stats(request: Request) -> None:
        entry = entry_of(request)
        if not request.flag("stream", True):
            one_shot = request.flag("one-shot")
            await request.answer_json(await room.stats.once(entry, two_samples=not one_shot))
            return
        async with request.stream("application/json") as send:
            async for sample in room.stats.stream(entry):
                await send(json.dumps(sample, separators=(",", ":")).encode() + b"\n")

    async def path_stat(request: Request) -> None:
        path = path_of(request)
        found = await room.archives.look(entry_of(request), path, request.parameters["id"])
        await request.answer_empty(200, found.header())

    async def get_archive(request: Request) -> None:
        path = path_of(request)
        async with (
            room.archives.read(entry_of(request), path, request.parameters["id"]) as (found, pieces),
            request.stream(TAR, headers=found.header()) as send,
        ):
            async for piece in pieces:
                await send(piece)

    async def put_archive(request: Request) -> None:
        keep_kinds, copy_owner = request.flag("noOverwriteDirNonDir"), request.flag("copyUIDGID")
        await room.archives.write(
            entry_of(request),
            path_of(request),
            request.parameters["id"],
            request.body(),
            keep_kinds=keep_kinds,
            copy_owner=copy_owner,
        )
        await request.answer_empty(200)

    async def export(request: Request) -> None:
        async with (
            room.archives.export(entry_of(request)) as pieces,
            request.stream("application/octet-stream") as send,
        ):
            async for piece in pieces:
                await send(piece)

    return [
        Route("POST", "/containers/{id}/attach", attach),
        Route("GET", "/containers/{id}/attach/ws", attach_ws),
        Route("GET", "/containers/{id}/logs", logs),
        Route("GET", "/containers/{id}/stats", stats),
        Route("HEAD", "/containers/{id}/archive", path_stat),
        Route("GET", "/containers/{id}/archive", get_archive),
        Route("PUT", "/containers/{id}/archive", put_archive),
        Route("GET", "/containers/{id}/export", export),
    ]


def options_of(request: Request) -> AttachOptions:
    return AttachOptions(
        stdin=request.flag("stdin"),
        stdout=request.flag("stdout"),
        stderr=request.flag("stderr"),
        stream=request.flag("stream"),
        logs=request.flag("logs"),
        keys=parse_keys(request.text("detachKeys")),
    )


def path_of(request: Request) -> str:
    path = request.text("path")
    if not path or "\0" in path:
        raise InvalidArgument("missing path: name one by ?path=")
    return path


def wanted_of(request: Request) -> Wanted:
    """Raises InvalidArgument."""
    stdout, stderr = request.flag("stdout"), request.flag("stderr")
    if not (stdout or stderr):
        raise InvalidArgument("Bad parameters: you must choose at least one stream")
    tail = request.text("tail") or "all"
    # What is no number is all, as dockerd has it.
    count = int(tail) if tail.isdecimal() and len(tail) < 10 else None
    until = request.text("until")
    return Wanted(
        stdout=stdout,
        stderr=stderr,
        since=max(0, nanoseconds_of(request.text("since") or "0")),
        until=0 if until in ("", "0") else nanoseconds_of(until),
        timestamps=request.flag("timestamps"),
        tail=count,
        follow=request.flag("follow"),
    )
