"""/images: what this machine has of them. Pulling, pushing, building and searching are other files' routes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Sequence
from typing import Any

from engine.api.errors import InvalidArgument
from engine.daemon.faults import leaf_of
from engine.daemon.images.fitting import check_platform
from engine.daemon.images.images import LocalImages, familiar_name
from engine.daemon.images.instructions import applied
from engine.daemon.images.pull import Pulls
from engine.daemon.images.remove import Removal
from engine.daemon.images.show import (
    LIST_FILTERS,
    PRUNE_FILTERS,
    history_of,
    inspected,
    listed,
    shared_sizes,
    summary_of,
)
from engine.daemon.protocols import Events, ImageRecord
from engine.daemon.server.fetched import fetched
from engine.daemon.server.registries import pull
from engine.daemon.server.request import Request
from engine.daemon.server.router import Route
from engine.kit.clock import Clock
from engine.oci.platform import Platform

TAR = "application/x-tar"


def line_of(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\r\n"


def check_platforms(request: Request, name: str, image: ImageRecord, parameter: str = "platform") -> None:
    """Raises NotFound where the image is of another platform than the request asks for."""
    for platform in request.oci_platforms(parameter):
        check_platform(name, image.document, platform)


def routes(images: LocalImages, pulls: Pulls, events: Events, clock: Clock) -> list[Route]:
    async def list_(request: Request) -> None:
        filters = request.filters(LIST_FILTERS)
        if request.version < (1, 41) and request.text("filter"):
            filters = {**filters, "reference": [request.text("filter")]}
        found = listed(images.index, filters, all=request.flag("all"), now=clock.now())
        shared = shared_sizes(images.index.all()) if request.flag("shared-size") else {}
        patterns = filters.get("reference", ())
        shown = [
            summary_of(image, request.version, shared=shared.get(image.id, -1), patterns=patterns) for image in found
        ]
        await request.answer_json(shown)

    def asked_for(request: Request, platform: str = "platform") -> ImageRecord:
        """The image that the path names; an image has one platform, and another that is asked for is not here."""
        image = images.get(request.parameters["name"])
        check_platforms(request, request.parameters["name"], image, platform)
        return image

    async def inspect(request: Request) -> None:
        image = asked_for(request)
        await request.answer_json(inspected(image, images.layers, request.version))

    async def history(request: Request) -> None:
        await request.answer_json(history_of(asked_for(request)))

    async def tag(request: Request) -> None:
        images.tag(request.parameters["name"], request.text("repo"), request.text("tag"))
        await request.answer_empty(201)

    async def remove(request: Request) -> None:
        if request.texts("platforms"):
            asked_for(request, "platforms")
        removal = Removal(images, events)
        done = await removal.remove(
            request.parameters["name"], force=request.flag("force"), prune=not request.flag("noprune")
        )
        await request.answer_json(done)

    async def prune(request: Request) -> None:
        filters = request.filters(PRUNE_FILTERS)
        await request.answer_json(await Removal(images, events).prune(filters, now=clock.now()))

    async def save_one(request: Request) -> None:
        await save(request, [request.parameters["name"]])

    async def save_many(request: Request) -> None:
        await save(request, request.texts("names"))

    async def save(request: Request, references: Sequence[str]) -> None:
        if not references:
            raise InvalidArgument("name at least one image to save")
        for reference in references:
            check_platforms(request, reference, images.get(reference))
        async with images.save(references) as pieces, request.stream(TAR) as send:
            async for piece in pieces:
                await send(piece)

    async def load(request: Request) -> None:
        quiet, platforms = request.flag("quiet"), request.oci_platforms("platform")
        lines: list[bytes] = []

        def told(diff_id: str, size: int) -> None:
            if not quiet:
                detail = {"current": size, "total": size}
                short = diff_id.removeprefix("sha256:")[:12]
                lines.append(line_of({"status": "Loading layer", "progressDetail": detail, "id": short}))

        # The archive is read before the answer begins: no client waits for progress while it writes. A fault of the
        # archive's is a line all the same: the SDKs look for it there.
        found: list[tuple[ImageRecord, tuple[str, ...]]] = []
        fault = ""
        try:
            found = await images.load(request.body(), told, platforms[0] if platforms else None)
        except Exception as error:
            leaf = leaf_of(error)
            if not isinstance(leaf, InvalidArgument):
                raise
            fault = leaf.message
        async with request.stream("application/json", headers={}) as send:
            if fault:
                lines.insert(0, line_of({"errorDetail": {"message": fault}, "error": fault}))
            for line in lines:
                await send(line)
            for image, names in found:
                for name in names:
                    await send(line_of({"stream": f"Loaded image: {name}\n"}))
                if not names:
                    await send(line_of({"stream": f"Loaded image ID: {image.id}\n"}))

    async def create(request: Request) -> None:
        """A pull (fromImage), or an import: the body (fromSrc=-) is a root file system."""
        if request.text("fromImage"):
            await pull(request, pulls)
            return
        source = request.text("fromSrc")
        if not source:
            raise InvalidArgument("name an image to pull (fromImage) or an archive to import (fromSrc)")
        name = familiar_name(request.text("repo"), request.text("tag")) if request.text("repo") else ""
        config = applied({}, request.texts("changes"))
        platform = request.platform() or Platform.here()
        message = request.text("message") or f"Imported from {source}"

        async def imported(body: AsyncIterable[bytes]) -> str:
            made = await images.import_(body, name=name, message=message, config=config, platform=platform)
            return made.id

        if source == "-":
            id = await imported(request.body())
        else:
            async with fetched(source) as body:
                id = await imported(body)
        async with request.stream("application/json") as send:
            await send(line_of({"status": id}))

    return [
        Route("GET", "/images/json", list_),
        Route("GET", "/images/get", save_many),
        Route("GET", "/images/{name:path}/get", save_one),
        Route("GET", "/images/{name:path}/json", inspect),
        Route("GET", "/images/{name:path}/history", history),
        Route("POST", "/images/load", load),
        Route("POST", "/images/prune", prune, since=(1, 25)),
        Route("POST", "/images/create", create),
        Route("POST", "/images/{name:path}/tag", tag),
        Route("DELETE", "/images/{name:path}", remove),
    ]
