"""`container ls/inspect/logs/top/stats/port/diff/wait`: what containers are, say and use."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

import anyio
import typer

from engine.api.containers import ContainerSummary
from engine.api.errors import NotFound
from engine.api.frames import Stream
from engine.cli.containerrows import row_of
from engine.cli.moments import for_query, moment_of
from engine.cli.objects.group import (
    Containers,
    Filter,
    Format,
    InspectFormat,
    NoTrunc,
    One,
    Quiet,
    filters_from,
    inspect_all,
    on_each,
    reached,
)
from engine.cli.options import EngineOptions, with_options
from engine.cli.output import write
from engine.cli.render.amounts import bracketed, decimal_size
from engine.cli.render.listing import listing, show
from engine.cli.render.table import render_table, terminal_width
from engine.cli.usagerows import EVERY_SECONDS, once, print_rows

COLUMNS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
}
MORE = ("CreatedAt", "Labels", "LocalVolumes", "Mounts", "Networks", "Size", "State")
KINDS = {0: "C", 1: "A", 2: "D"}


@with_options(EngineOptions)
def ls(
    engine: EngineOptions,
    all: Annotated[bool, typer.Option("--all", "-a", help="Stopped ones too")] = False,
    filter: Filter = None,
    format: Format = "table",
    last: Annotated[int, typer.Option("--last", "-n", help="The newest N, in any state")] = -1,
    latest: Annotated[bool, typer.Option("--latest", "-l", help="The newest, in any state")] = False,
    no_trunc: NoTrunc = False,
    quiet: Quiet = False,
    size: Annotated[bool, typer.Option("--size", "-s", help="How much they take on the disk")] = False,
) -> None:
    """List containers. Example: rorqual container ls -a --filter status=exited"""
    limit = 1 if latest else last if last > 0 else None
    wants_size = size or ".Size" in format

    async def run() -> list[ContainerSummary]:
        async with reached(engine) as client:
            return await client.containers.list(all=all, filters=filters_from(filter), size=wants_size, limit=limit)

    found = anyio.run(run)
    if quiet:
        show("\n".join(c["Id"] if no_trunc else c["Id"][:12] for c in found))
        return
    now = time.time()
    rows = [{**row_of(one, now, whole=no_trunc), "Size": size_text(one)} for one in found]
    show(listing(rows, {**COLUMNS, **({"Size": "SIZE"} if size else {})}, format, fields=MORE))


def size_text(container: ContainerSummary) -> str:
    own, root = container.get("SizeRw") or 0, container.get("SizeRootFs") or 0
    return f"{decimal_size(own)} (virtual {decimal_size(root)})" if root else decimal_size(own)


@with_options(EngineOptions)
def inspect(
    engine: EngineOptions,
    containers: Containers,
    format: InspectFormat = "",
    size: Annotated[bool, typer.Option("--size", "-s", help="How much they take on the disk")] = False,
) -> None:
    """Show everything about containers. Example: rorqual container inspect -f '{{.State.Status}}' web"""
    inspect_all(engine, containers, format, lambda client, name: client.containers.inspect(name, size=size))


@with_options(EngineOptions)
def logs(
    engine: EngineOptions,
    container: One,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="And what comes")] = False,
    since: Annotated[str | None, typer.Option("--since", help="From this time or this long ago on")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Until this time")] = None,
    tail: Annotated[str, typer.Option("--tail", "-n", help="Only so many of the last lines")] = "all",
    timestamps: Annotated[bool, typer.Option("--timestamps", "-t", help="When each line came")] = False,
) -> None:
    """Show what a container wrote. Example: rorqual container logs -f --tail 10 web"""
    now = time.time_ns()
    start = None if since is None else for_query(moment_of(since, "--since", now))
    end = None if until is None else for_query(moment_of(until, "--until", now))

    async def run() -> None:
        async with (
            reached(engine) as client,
            client.containers.logs(
                container, follow=follow, since=start, until=end, timestamps=timestamps, tail=tail
            ) as frames,
        ):
            async for frame in frames:
                to = sys.stderr.buffer if frame.stream is Stream.STDERR else sys.stdout.buffer
                write(to, frame.data)

    anyio.run(run)


@with_options(EngineOptions)
def top(
    engine: EngineOptions,
    container: One,
    ps_options: Annotated[list[str] | None, typer.Argument(help="Options of ps")] = None,
) -> None:
    """Show a container's processes. Example: rorqual container top web -o pid,comm"""

    async def run() -> Mapping[str, Any]:
        async with reached(engine) as client:
            return await client.containers.top(container, " ".join(ps_options) if ps_options else None)

    found = anyio.run(run)
    show(render_table(found["Titles"], found.get("Processes") or [], width=terminal_width()))


# What comes after the container is the options of ps.
top.context_settings = {"allow_interspersed_args": False, "ignore_unknown_options": True}  # type: ignore[attr-defined]


@with_options(EngineOptions)
def stats(
    engine: EngineOptions,
    containers: Annotated[list[str] | None, typer.Argument(help="Containers; all that run where none is named")] = None,
    all: Annotated[bool, typer.Option("--all", "-a", help="Stopped ones too")] = False,
    format: Format = "table",
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Once, not again and again")] = False,
    no_trunc: NoTrunc = False,
) -> None:
    """Show what containers use. Example: rorqual container stats --no-stream"""

    async def run() -> None:
        async with reached(engine) as client:
            while True:
                found = await client.containers.list(all=all or bool(containers))
                chosen = [one for one in found if not containers or is_named(one, containers)]
                for name in containers or ():
                    if not any(is_named(one, [name]) for one in chosen):
                        raise NotFound(f"No such container: {name}")
                print_rows(await once(client, chosen), format, whole=no_trunc)
                if no_stream:
                    return
                sys.stdout.flush()
                await anyio.sleep(EVERY_SECONDS)

    anyio.run(run)


def is_named(container: ContainerSummary, names: list[str]) -> bool:
    known = {name.lstrip("/") for name in container.get("Names") or ()}
    return any(name in known or container["Id"].startswith(name) for name in names)


@with_options(EngineOptions)
def port(
    engine: EngineOptions,
    container: One,
    private: Annotated[str | None, typer.Argument(metavar="PRIVATE_PORT[/PROTOCOL]", help="Only this one")] = None,
) -> None:
    """Show where a container's ports are published. Example: rorqual container port web 80/tcp"""

    async def run() -> Mapping[str, Any]:
        async with reached(engine) as client:
            return (await client.containers.inspect(container)).get("NetworkSettings") or {}

    ports: Mapping[str, Any] = anyio.run(run).get("Ports") or {}
    if private is not None:
        wanted = private if "/" in private else f"{private}/tcp"
        if not ports.get(wanted):
            raise NotFound(f"no public port '{wanted}' published for {container}")
        ports = {wanted: ports[wanted]}
    lines = [
        (f"{key} -> " if private is None else "") + f"{bracketed(b['HostIp'] or '0.0.0.0')}:{b['HostPort']}"
        for key, bindings in sorted(ports.items())
        for b in bindings or ()
    ]
    show("\n".join(lines))


@with_options(EngineOptions)
def diff(engine: EngineOptions, container: One) -> None:
    """Show what changed in a container's file system. Example: rorqual container diff web"""

    async def run() -> list[Any]:
        async with reached(engine) as client:
            return [*await client.containers.changes(container)]

    show("\n".join(f"{KINDS[change['Kind']]} {change['Path']}" for change in anyio.run(run)))


@with_options(EngineOptions)
def wait(engine: EngineOptions, containers: Containers) -> None:
    """Wait until containers stop, and print their exit codes. Example: rorqual container wait job"""

    async def act(client: Any, name: str) -> str:
        return str(await client.containers.wait(name))

    on_each(engine, "wait for", containers, act)


def add_to(group: typer.Typer) -> None:
    group.command("ls")(ls)
    group.command("list", hidden=True)(ls)
    group.command("ps", hidden=True)(ls)
    group.command("inspect")(inspect)
    group.command("logs")(logs)
    group.command("top", context_settings=top.context_settings)(top)  # type: ignore[attr-defined]
    group.command("stats")(stats)
    group.command("port")(port)
    group.command("diff")(diff)
    group.command("wait")(wait)
