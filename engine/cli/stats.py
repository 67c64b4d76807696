"""`rorqual stats`: what the project's containers use, once or again and again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import anyio
import typer

from engine.api.containers import ContainerSummary
from engine.api.errors import EngineError
from engine.cli.connection import connected
from engine.cli.members import containers_of, name_of, named_project
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.render.usage import usage_row
from engine.cli.usagerows import EVERY_SECONDS, once, print_rows
from engine.client.session import EngineReader

CLEAR = "\x1b[2J\x1b[H"


@with_options(ProjectOptions, EngineOptions)
def stats(
    project: ProjectOptions,
    engine: EngineOptions,
    service: Annotated[str | None, typer.Argument(help="Only this service", show_default=False)] = None,
    all: Annotated[bool, typer.Option("--all", "-a", help="Stopped containers too")] = False,
    format: Annotated[str, typer.Option("--format", help="table, json, a template or table TEMPLATE")] = "table",
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Once, not again and again")] = False,
    no_trunc: Annotated[bool, typer.Option("--no-trunc", help="Whole ids")] = False,
) -> None:
    """Show CPU, memory, network and disk use. Example: rorqual stats --no-stream"""
    named, wanted = named_project(project), [service] if service else []
    named.check(wanted)

    async def run() -> None:
        async with connected(engine, project=named.name) as client:
            if no_stream:
                containers = await containers_of(client, named.name, wanted, all=all)
                print_rows(await once(client, containers), format, whole=no_trunc)
            else:
                await stream(client, named.name, wanted, format, all=all, whole=no_trunc)

    anyio.run(run)


async def stream(
    engine: EngineReader, name: str, services: Sequence[str], format: str, *, all: bool, whole: bool
) -> None:
    """Until Ctrl-C: a terminal is drawn over, a pipe gets one batch after another. Containers come and go."""
    rows: dict[str, dict[str, Any]] = {}

    async def follow(container: ContainerSummary) -> None:
        id, label = container["Id"], name_of(container)
        rows[id] = usage_row(id, label, {})
        try:
            async with engine.containers.stats_stream(id) as samples:
                async for sample in samples:
                    rows[id] = usage_row(id, label, sample)
        except EngineError:
            pass
        finally:
            rows.pop(id, None)

    async with anyio.create_task_group() as tasks:
        while True:
            live = await containers_of(engine, name, services, all=all)
            for container in live:
                if container["Id"] not in rows:
                    tasks.start_soon(follow, container)
            for gone in rows.keys() - {c["Id"] for c in live}:
                rows.pop(gone, None)
            if sys.stdout.isatty() and format in {"", "table"}:
                sys.stdout.write(CLEAR)
            print_rows([rows[c["Id"]] for c in live if c["Id"] in rows], format, whole=whole)
            sys.stdout.flush()
            await anyio.sleep(EVERY_SECONDS)
