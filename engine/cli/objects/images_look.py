"""`image ls/inspect/history/tag/rm/prune`: which images there are and what they are called."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

import anyio
import typer

from engine.api.images import ImageLayer, ImageSummary
from engine.cli.objects.group import (
    Filter,
    Force,
    Format,
    InspectFormat,
    NoTrunc,
    PruneFilter,
    Quiet,
    agreed,
    filters_from,
    inspect_all,
    on_each,
    reached,
)
from engine.cli.options import EngineOptions, with_options
from engine.cli.render.amounts import created_at, decimal_size, human_duration
from engine.cli.render.listing import listing, show
from engine.client.images import split_tag
from engine.client.session import Engine

Images = Annotated[list[str], typer.Argument(help="Images, by name or id")]
NONE = "<none>"
COLUMNS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
}
MORE = ("Containers", "CreatedAt", "Digest", "SharedSize", "UniqueSize", "VirtualSize")
HISTORY = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
BY_WIDTH = 45


@with_options(EngineOptions)
def ls(
    engine: EngineOptions,
    repository: Annotated[str | None, typer.Argument(metavar="[REPOSITORY[:TAG]]", help="Only these")] = None,
    all: Annotated[bool, typer.Option("--all", "-a", help="Those in between too")] = False,
    digests: Annotated[bool, typer.Option("--digests", help="With their digests")] = False,
    filter: Filter = None,
    format: Format = "table",
    no_trunc: NoTrunc = False,
    quiet: Quiet = False,
) -> None:
    """List images. Example: rorqual image ls --filter dangling=true"""
    filters = filters_from(filter)
    if repository:
        filters.setdefault("reference", []).append(repository)

    async def run() -> list[ImageSummary]:
        async with reached(engine) as client:
            return await client.images.list(all=all, filters=filters, digests=digests)

    now = time.time()
    rows = [row for image in anyio.run(run) for row in rows_of(image, now, whole=no_trunc, digests=digests)]
    if quiet:
        show("\n".join(dict.fromkeys(row["ID"] for row in rows)))
        return
    columns = dict(COLUMNS)
    if digests:
        columns = {"Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", **COLUMNS}
    show(listing(rows, columns, format, fields=MORE))


def rows_of(image: ImageSummary, now: float, *, whole: bool, digests: bool) -> Iterator[dict[str, Any]]:
    """One for each name that it has."""
    id, created, size = image["Id"], image.get("Created") or 0, image.get("Size") or 0
    row = {
        "ID": id if whole else id.removeprefix("sha256:")[:12],
        "CreatedAt": created_at(created),
        "CreatedSince": f"{human_duration(now - created)} ago" if created > 0 else "N/A",
        "Size": decimal_size(size),
        "VirtualSize": decimal_size(size),
        **dict.fromkeys(("Containers", "SharedSize", "UniqueSize"), "N/A"),
    }
    tags = [tag for tag in image.get("RepoTags") or () if tag != f"{NONE}:{NONE}"]
    named = dict(d.split("@", 1) for d in image.get("RepoDigests") or () if "@" in d and not d.startswith(NONE))
    for tag in tags:
        repository, word = split_tag(tag)
        yield {**row, "Repository": repository, "Tag": word or NONE, "Digest": named.get(repository, NONE)}
    for repository, digest in named.items() if not tags else ():
        yield {**row, "Repository": repository, "Tag": NONE, "Digest": digest}
    if not tags and not named:
        yield {**row, "Repository": NONE, "Tag": NONE, "Digest": NONE}


@with_options(EngineOptions)
def inspect(engine: EngineOptions, images: Images, format: InspectFormat = "") -> None:
    """Show everything about images. Example: rorqual image inspect -f '{{json .Config.Env}}' web"""
    inspect_all(engine, images, format, lambda client, name: client.images.inspect(name))


@with_options(EngineOptions)
def history(
    engine: EngineOptions,
    image: Annotated[str, typer.Argument(help="The image, by name or id")],
    format: Format = "table",
    human: Annotated[bool, typer.Option("--human/--no-human", "-H", help="Sizes and times for people")] = True,
    no_trunc: NoTrunc = False,
    quiet: Quiet = False,
) -> None:
    """Show the layers that an image was made in. Example: rorqual image history web"""

    async def run() -> list[ImageLayer]:
        async with reached(engine) as client:
            return await client.images.history(image)

    now = time.time()
    rows = [layer_row(layer, now, whole=no_trunc, human=human) for layer in anyio.run(run)]
    if quiet:
        show("\n".join(row["ID"] for row in rows))
    else:
        show(listing(rows, HISTORY, format, fields=("CreatedAt",)))


def layer_row(layer: ImageLayer, now: float, *, whole: bool, human: bool) -> dict[str, Any]:
    id, by, created, size = layer["Id"], layer["CreatedBy"], layer["Created"], layer["Size"]
    by = by.replace("\t", " ")
    return {
        "ID": id if whole or id.startswith("<") else id.removeprefix("sha256:")[:12],
        "CreatedAt": created_at(created),
        "CreatedSince": f"{human_duration(now - created)} ago" if human else created_at(created),
        "CreatedBy": by if whole or len(by) <= BY_WIDTH else f"{by[: BY_WIDTH - 1]}…",
        "Size": decimal_size(size) if human else str(size),
        "Comment": layer["Comment"],
    }


@with_options(EngineOptions)
def tag(
    engine: EngineOptions,
    source: Annotated[str, typer.Argument(help="The image, by name or id")],
    target: Annotated[str, typer.Argument(metavar="TARGET[:TAG]", help="Its further name")],
) -> None:
    """Give an image one more name. Example: rorqual image tag web web:1.2"""
    repository, word = split_tag(target)

    async def act(client: Engine, name: str) -> None:
        await client.images.tag(name, repository, word or "latest")

    on_each(engine, f"give the name {target} to", [source], act, quiet=True)


@with_options(EngineOptions)
def rm(
    engine: EngineOptions,
    images: Images,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="With all of its names, and used by what is stopped")
    ] = False,
    no_prune: Annotated[bool, typer.Option("--no-prune", help="Keep parents without a name")] = False,
) -> None:
    """Remove images. Example: rorqual image rm web:1.2"""

    async def act(client: Engine, name: str) -> str:
        done = await client.images.remove(name, force=force, noprune=no_prune)
        return "\n".join(f"{word}: {value}" for line in done for word, value in line.items())

    on_each(engine, "remove", images, act)


@with_options(EngineOptions)
def prune(
    engine: EngineOptions,
    all: Annotated[bool, typer.Option("--all", "-a", help="Every one that no container uses")] = False,
    force: Force = False,
    filter: PruneFilter = None,
) -> None:
    """Remove images that nothing names. Example: rorqual image prune -af --filter until=168h"""
    which = "images without at least one container associated to them" if all else "dangling images"
    if not agreed(engine, force, f"all {which}"):
        raise typer.Exit(1)

    async def run() -> Any:
        async with reached(engine) as client:
            return await client.images.prune(filters={**filters_from(filter), "dangling": [str(not all).lower()]})

    found = anyio.run(run)
    if deleted := found.get("ImagesDeleted"):
        print("Deleted Images:")
        for line in deleted:
            for word, value in line.items():
                print(f"{word.lower()}: {value}")
        print()
    print(f"Total reclaimed space: {decimal_size(found.get('SpaceReclaimed') or 0)}")


def add_to(group: typer.Typer) -> None:
    for command in (ls, inspect, history, tag, rm, prune):
        group.command(command.__name__)(command)
    group.command("list", hidden=True)(ls)
    group.command("remove", hidden=True)(rm)
