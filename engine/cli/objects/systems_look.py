"""`system info/df/events/prune`: what an engine is, uses, does, and can do without."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import anyio
import typer

from engine.api.errors import NotImplementedByEngine
from engine.api.system import Event
from engine.cli.containerrows import row_of
from engine.cli.moments import for_query, moment_of
from engine.cli.objects.containers_look import COLUMNS as CONTAINERS
from engine.cli.objects.containers_look import size_text
from engine.cli.objects.group import Filter, Force, Format, PruneFilter, agreed, filters_from, reached
from engine.cli.objects.images_look import rows_of
from engine.cli.options import EngineOptions, with_options
from engine.cli.output import write
from engine.cli.render.amounts import binary_size, decimal_size
from engine.cli.render.listing import listing, show
from engine.cli.render.table import render_table, terminal_width
from engine.cli.render.template import parse_template, to_json
from engine.client.session import Engine

DF_COLUMNS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}
# What a person wants to know first, in this order; --format json has everything.
INFO = (
    ("Name", "Name"),
    ("ID", "ID"),
    ("ServerVersion", "Version"),
    ("Containers", "Containers"),
    ("ContainersRunning", "  running"),
    ("ContainersPaused", "  paused"),
    ("ContainersStopped", "  stopped"),
    ("Images", "Images"),
    ("Driver", "Storage driver"),
    ("LoggingDriver", "Logging driver"),
    ("CgroupDriver", "Cgroup driver"),
    ("CgroupVersion", "Cgroup version"),
    ("DefaultRuntime", "Default runtime"),
    ("SecurityOptions", "Security options"),
    ("KernelVersion", "Kernel"),
    ("OperatingSystem", "Operating system"),
    ("OSType", "OS type"),
    ("Architecture", "Architecture"),
    ("NCPU", "Processors"),
    ("MemTotal", "Memory"),
    ("DockerRootDir", "Root folder"),
    ("LiveRestoreEnabled", "Containers outlive it"),
)


@with_options(EngineOptions)
def info(
    engine: EngineOptions,
    format: Annotated[str, typer.Option("--format", "-f", help="json, or a template")] = "",
) -> None:
    """Show what the engine is and what it has. Example: rorqual system info -f '{{.ServerVersion}}'"""

    async def run() -> tuple[Mapping[str, Any], str, str]:
        async with reached(engine) as client:
            found = await client.system.info()
            return found, client.target.address, (await client.capabilities()).engine

    found, address, kind = anyio.run(run)
    if format == "json":
        show(to_json(found))
    elif format:
        show(parse_template(format, list(found)).render(found))
    else:
        print(f"Engine: {kind.capitalize()}\nAddress: {address}")
        for key, words in INFO:
            if found.get(key) not in (None, "", []):
                print(f"{words}: {plain(key, found[key])}")
        for warning in found.get("Warnings") or ():
            print(warning, file=sys.stderr)


def plain(key: str, value: Any) -> str:
    if key == "MemTotal":
        return binary_size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@with_options(EngineOptions)
def df(
    engine: EngineOptions,
    format: Format = "table",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every object")] = False,
) -> None:
    """Show what takes room on the disk. Example: rorqual system df -v"""
    if verbose and format not in {"", "table"}:
        raise typer.BadParameter("--verbose prints tables of its own: it goes with no --format")

    async def run() -> Mapping[str, Any]:
        async with reached(engine) as client:
            return await client.system.df()

    found = anyio.run(run)
    if verbose:
        for title, columns, rows in detailed(found):
            print(f"{title}:\n")
            print(
                render_table(
                    list(columns.values()), [[str(row[c]) for c in columns] for row in rows], width=terminal_width()
                )
            )
            print()
        return
    show(listing([*totals(found)], DF_COLUMNS, format))


def totals(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Reclaimable is what no container uses."""
    images, containers = found.get("Images") or [], found.get("Containers") or []
    volumes, cache = found.get("Volumes") or [], found.get("BuildCache") or []
    used = sum(
        (i.get("Size") or 0) - max(0, i.get("SharedSize") or 0) for i in images if (i.get("Containers") or 0) > 0
    )
    layers = found.get("LayersSize") or 0
    yield total(
        "Images", len(images), sum((i.get("Containers") or 0) > 0 for i in images), layers, max(0, layers - used)
    )
    running = [c for c in containers if c.get("State") in {"running", "paused", "restarting"}]
    size = sum(c.get("SizeRw") or 0 for c in containers)
    yield total("Containers", len(containers), len(running), size, size - sum(c.get("SizeRw") or 0 for c in running))
    usage = [v.get("UsageData") or {} for v in volumes]
    held = [u for u in usage if (u.get("RefCount") or 0) > 0]
    size = sum(max(0, u.get("Size") or 0) for u in usage)
    yield total("Local Volumes", len(volumes), len(held), size, size - sum(max(0, u.get("Size") or 0) for u in held))
    in_use = [c for c in cache if c.get("InUse")]
    size = sum(c.get("Size") or 0 for c in cache if not c.get("Shared"))
    free = sum(c.get("Size") or 0 for c in cache if not c.get("InUse") and not c.get("Shared"))
    yield total("Build Cache", len(cache), len(in_use), size, free)


def total(kind: str, count: int, active: int, size: int, free: int) -> dict[str, Any]:
    share = f" ({free * 100 // size}%)" if size > 0 and kind != "Build Cache" else ""
    return {
        "Type": kind,
        "TotalCount": str(count),
        "Active": str(active),
        "Size": decimal_size(size),
        "Reclaimable": f"{decimal_size(free)}{share}",
    }


def detailed(found: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str], Sequence[Mapping[str, Any]]]]:
    now = time.time()
    images = [
        {
            **row,
            "SharedSize": decimal_size(max(0, image.get("SharedSize") or 0)),
            "UniqueSize": decimal_size((image.get("Size") or 0) - max(0, image.get("SharedSize") or 0)),
            "Containers": str(max(0, image.get("Containers") or 0)),
        }
        for image in found.get("Images") or ()
        for row in rows_of(image, now, whole=False, digests=False)
    ]
    columns = {"Repository": "REPOSITORY", "Tag": "TAG", "ID": "IMAGE ID", "CreatedSince": "CREATED", "Size": "SIZE"}
    yield (
        "Images space usage",
        {**columns, "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE", "Containers": "CONTAINERS"},
        images,
    )
    containers = [{**row_of(c, now, whole=False), "Size": size_text(c)} for c in found.get("Containers") or ()]
    yield "Containers space usage", {**CONTAINERS, "Size": "SIZE"}, containers
    volumes = [
        {
            "Name": volume["Name"],
            "Links": str((volume.get("UsageData") or {}).get("RefCount", 0)),
            "Size": decimal_size(max(0, (volume.get("UsageData") or {}).get("Size", 0))),
        }
        for volume in found.get("Volumes") or ()
    ]
    yield "Local Volumes space usage", {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}, volumes


@with_options(EngineOptions)
def events(
    engine: EngineOptions,
    filter: Filter = None,
    format: Annotated[str, typer.Option("--format", help="json, or a template")] = "",
    since: Annotated[str | None, typer.Option("--since", help="From this time or this long ago on")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Until this time")] = None,
) -> None:
    """Print what happens on the engine until Ctrl-C. Example: rorqual system events --since 10m"""
    now = time.time_ns()
    limits = {"--since": since, "--until": until}
    start, end = (None if text is None else for_query(moment_of(text, flag, now)) for flag, text in limits.items())

    async def run() -> None:
        async with (
            reached(engine) as client,
            client.system.events(filters=filters_from(filter), since=start, until=end) as stream,
        ):
            async for event in stream:
                write(sys.stdout.buffer, f"{event_text(event, format)}\n".encode())

    anyio.run(run)


def event_text(event: Event, format: str) -> str:
    if format == "json":
        return to_json(event)
    if format:
        return parse_template(format, list(event)).render(event)
    when = datetime.fromtimestamp(moment(event) // 10**9).astimezone()
    words = ", ".join(
        f"{key}={value}" for key, value in sorted(((event.get("Actor") or {}).get("Attributes") or {}).items())
    )
    id = (event.get("Actor") or {}).get("ID", "")
    stamp = f"{when:%Y-%m-%dT%H:%M:%S}.{moment(event) % 10**9:09d}{when:%z}"
    return f"{stamp} {event.get('Type', '')} {event.get('Action', '')} {id}" + (f" ({words})" if words else "")


def moment(event: Event) -> int:
    return event.get("timeNano") or event.get("time", 0) * 10**9


@with_options(EngineOptions)
def prune(
    engine: EngineOptions,
    all: Annotated[bool, typer.Option("--all", "-a", help="Every image that no container uses")] = False,
    volumes: Annotated[bool, typer.Option("--volumes", help="Anonymous volumes too")] = False,
    force: Force = False,
    filter: PruneFilter = None,
) -> None:
    """Remove what nothing uses. Example: rorqual system prune -f"""
    which = "all images without a container" if all else "all dangling images"
    more = ", anonymous volumes" if volumes else ""
    if not agreed(engine, force, f"all stopped containers, unused networks, {which}{more} and build cache"):
        raise typer.Exit(1)
    filters = filters_from(filter)

    async def run() -> int:
        async with reached(engine) as client:
            return await pruned(client, filters, all=all, volumes=volumes)

    print(f"Total reclaimed space: {decimal_size(anyio.run(run))}")


async def pruned(client: Engine, filters: dict[str, list[str]], *, all: bool, volumes: bool) -> int:
    """Containers first: what only they used is free then. → bytes."""
    found: dict[str, Any] = dict(await client.containers.prune(filters=filters))
    freed = said("Containers", found.get("ContainersDeleted"), found)
    found = dict(await client.networks.prune(filters=filters))
    said("Networks", found.get("NetworksDeleted"), found)
    if volumes:
        labels = {key: words for key, words in filters.items() if key != "until"}
        found = dict(await client.volumes.prune(filters=labels))
        freed += said("Volumes", found.get("VolumesDeleted"), found)
    found = dict(await client.images.prune(filters={**filters, "dangling": [str(not all).lower()]}))
    lines = [f"{word.lower()}: {text}" for line in found.get("ImagesDeleted") or () for word, text in line.items()]
    freed += said("Images", lines, found)
    try:
        found = dict(
            await client.images.prune_build_cache(all=all, filters={k: v for k, v in filters.items() if k == "until"})
        )
    except NotImplementedByEngine:
        return freed
    return freed + said("build cache objects", found.get("CachesDeleted"), found)


def said(what: str, deleted: Sequence[str] | None, found: Mapping[str, Any]) -> int:
    if deleted:
        print(f"Deleted {what}:", *deleted, "", sep="\n")
    return int(found.get("SpaceReclaimed") or 0)


def add_to(group: typer.Typer) -> None:
    for command in (info, df, events, prune):
        group.command(command.__name__)(command)
