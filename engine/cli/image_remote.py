"""`rorqual image pull`, `push` and `search`: between the engine and registries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import anyio
import typer

from engine.api.errors import InvalidArgument, NotFound
from engine.cli.objects.group import reached, rehearsed
from engine.cli.options import EngineOptions, with_options
from engine.cli.render.layers import Layers
from engine.cli.render.listing import listing, show
from engine.client.session import EngineReader
from engine.oci.reference import Reference

SEARCH = {"Name": "NAME", "Description": "DESCRIPTION", "StarCount": "STARS", "IsOfficial": "OFFICIAL"}
LONGEST_DESCRIPTION = 45

Name = Annotated[str, typer.Argument(metavar="NAME[:TAG|@DIGEST]")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the name alone")]


def parsed(name: str) -> Reference:
    try:
        return Reference.parse(name)
    except ValueError as error:
        raise InvalidArgument(str(error)) from error


@with_options(EngineOptions)
def pull(
    engine: EngineOptions,
    name: Name,
    all_tags: Annotated[bool, typer.Option("--all-tags", "-a", help="Every tag of the repository")] = False,
    platform: Annotated[str | None, typer.Option("--platform", help="As linux/arm64; default: the engine's")] = None,
    quiet: Quiet = False,
) -> None:
    """Pull an image from a registry. Example: rorqual image pull localhost:5000/web:1"""
    reference = parsed(name)
    if all_tags and (reference.tag or reference.digest):
        raise InvalidArgument("tag can't be used with --all-tags/-a")
    if rehearsed(engine, f"pull {reference if all_tags else reference.with_default_tag()}"):
        return
    if not all_tags and not reference.tag and not reference.digest and not quiet:
        print("Using default tag: latest")
    shown = Layers() if not quiet else None

    async def run() -> None:
        async with reached(engine) as client:
            if all_tags and (await client.capabilities()).engine == "podman":
                raise InvalidArgument("Podman's API can't pull all tags: name one, or list them with `registry ls`")
            async with client.images.pull(name, platform=platform, all_tags=all_tags) as lines:
                async for line in lines:
                    if shown is not None:
                        shown(line)

    anyio.run(run)
    print(reference if all_tags else reference.with_default_tag())


@with_options(EngineOptions)
def push(
    engine: EngineOptions,
    name: Annotated[str, typer.Argument(metavar="NAME[:TAG]")],
    all_tags: Annotated[bool, typer.Option("--all-tags", "-a", help="Every tag of the repository")] = False,
    quiet: Quiet = False,
) -> None:
    """Push an image to the registry that it is named for. Example: rorqual image push localhost:5000/web:1"""
    reference = parsed(name)
    if reference.digest:
        raise InvalidArgument("cannot push a digest reference")
    if all_tags and reference.tag:
        raise InvalidArgument("tag can't be used with --all-tags/-a")
    if rehearsed(engine, f"push {reference if all_tags else reference.with_default_tag()}"):
        return
    shown = Layers() if not quiet else None

    async def run() -> None:
        async with reached(engine) as client:
            for one in await tags_of(client, reference) if all_tags else [name]:
                async with client.images.push(one) as lines:
                    async for line in lines:
                        if shown is not None:
                            shown(line)

    anyio.run(run)
    if quiet:
        print(reference if all_tags else reference.with_default_tag())


async def tags_of(client: EngineReader, repository: Reference) -> list[str]:
    """Every name that the engine has in the repository; asked of us and not of the push, which Podman's can't.

    Raises NotFound.
    """
    images = await client.images.list(filters={"reference": repository.familiar})
    names = {name for image in images for name in image.get("RepoTags") or ()}
    found = sorted(name for name in names if name.rpartition(":")[0] in {repository.familiar, str(repository)})
    if not found:
        raise NotFound(f"An image does not exist locally with the tag: {repository.familiar}")
    return found


@with_options(EngineOptions)
def search(
    engine: EngineOptions,
    term: Annotated[str, typer.Argument(help="What to find; HOST/TERM asks that registry")],
    limit: Annotated[int, typer.Option("--limit", help="How many at most, up to 100")] = 25,
    filter: Annotated[
        list[str] | None, typer.Option("--filter", help="is-official=BOOL or stars=N; repeatable")
    ] = None,
    no_trunc: Annotated[bool, typer.Option("--no-trunc", help="Whole descriptions")] = False,
    format: Annotated[str, typer.Option("--format", help="table, json, a template or table TEMPLATE")] = "table",
) -> None:
    """Search a registry for images. Example: rorqual image search localhost:5000/web"""
    filters: dict[str, list[str]] = {}
    for word in filter or ():
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidArgument(f'--filter is "{word}": want NAME=VALUE, as stars=3')
        filters.setdefault(key, []).append(value)

    async def run() -> list[Mapping[str, Any]]:
        async with reached(engine) as client:
            return [dict(found) for found in await client.images.search(term, limit=limit, filters=filters or None)]

    rows = [row_of(found, no_trunc) for found in anyio.run(run)]
    show(listing(rows, SEARCH, format, fields=("IsAutomated",)))


def row_of(found: Mapping[str, Any], whole: bool) -> dict[str, Any]:
    description = str(found.get("description") or "").replace("\n", " ").strip()
    if not whole and len(description) > LONGEST_DESCRIPTION:
        description = f"{description[: LONGEST_DESCRIPTION - 1]}…"
    return {
        "Name": found.get("name") or "",
        "Description": description,
        "StarCount": found.get("star_count") or 0,
        "IsOfficial": "[OK]" if found.get("is_official") else "",
        "IsAutomated": "[OK]" if found.get("is_automated") else "",
    }
