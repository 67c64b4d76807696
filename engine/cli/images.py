"""`rorqual images`: what image each container of the project was made of."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import anyio
import typer

from engine.api.containers import ContainerSummary
from engine.api.errors import NotFound
from engine.api.images import ImageInspect
from engine.cli.connection import connected
from engine.cli.members import ServiceNames, containers_of, name_of, named_project
from engine.cli.moments import from_rfc3339
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.render.amounts import decimal_size, human_duration
from engine.cli.render.listing import listing, show
from engine.client.images import split_tag
from engine.client.session import EngineReader

COLUMNS = {
    "ContainerName": "CONTAINER",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Platform": "PLATFORM",
    "ShortID": "IMAGE ID",
    "HumanSize": "SIZE",
    "CreatedSince": "CREATED",
}
JSON = ("ID", "ContainerName", "Repository", "Tag", "Platform", "Size", "Created", "LastTagTime")


@with_options(ProjectOptions, EngineOptions)
def images(
    project: ProjectOptions,
    engine: EngineOptions,
    services: ServiceNames = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the ids")] = False,
    format: Annotated[str, typer.Option("--format", help="table, json, a template or table TEMPLATE")] = "table",
) -> None:
    """List the images that the project's containers were made of. Example: rorqual images -q"""
    named, wanted = named_project(project), tuple(services or ())
    named.check(wanted)

    async def run() -> list[dict[str, Any]]:
        async with connected(engine, project=named.name) as client:
            found = await containers_of(client, named.name, wanted, all=True)
            known = await images_of(client, {c["ImageID"] for c in found})
            return [row_of(container, known.get(container["ImageID"], {})) for container in found]

    rows = anyio.run(run)
    if quiet:
        show("\n".join(dict.fromkeys(row["ID"].removeprefix("sha256:") for row in rows)))
    elif format == "json":
        show(listing([{key: row[key] for key in JSON} for row in rows], dict.fromkeys(JSON, ""), format, array=True))
    else:
        show(listing(rows, COLUMNS, format, fields=JSON))


async def images_of(engine: EngineReader, ids: set[str]) -> Mapping[str, ImageInspect]:
    """By id; an image that was removed from under its container is left out."""
    known: dict[str, ImageInspect] = {}

    async def look(id: str) -> None:
        try:
            known[id] = await engine.images.inspect(id)
        except NotFound:
            return

    async with anyio.create_task_group() as tasks:
        for id in ids:
            tasks.start_soon(look, id)
    return known


def row_of(container: ContainerSummary, image: ImageInspect) -> dict[str, Any]:
    repository, tag = name_and_tag(container["Image"], image.get("RepoTags") or ())
    created, platform = image.get("Created") or "", [image.get("Os"), image.get("Architecture"), image.get("Variant")]
    since = from_rfc3339(created) or 0
    return {
        "ID": container["ImageID"],
        "ShortID": container["ImageID"].removeprefix("sha256:")[:12],
        "ContainerName": name_of(container),
        "Repository": repository,
        "Tag": tag,
        "Platform": "/".join(part for part in platform if part),
        "Size": image.get("Size") or 0,
        "HumanSize": decimal_size(image.get("Size") or 0),
        "Created": created,
        "CreatedSince": f"{human_duration(time.time() - since / 1e9)} ago" if since > 0 else "N/A",
        "LastTagTime": (image.get("Metadata") or {}).get("LastTagTime") or "",
    }


def name_and_tag(wanted: str, tags: Sequence[str]) -> tuple[str, str]:
    """The tag that the container was made by, where the image still has it; else its first one."""
    if not tags:
        return "<none>", "<none>"
    repository, tag = split_tag(wanted)
    if f"{repository}:{tag}" not in tags:
        repository, tag = split_tag(tags[0])
    return repository, tag or "latest"
