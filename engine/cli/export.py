"""`rorqual export`: the whole file system of a service's container as a tar."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import anyio
import typer

from engine.cli.connection import connected
from engine.cli.members import container_of, named_project
from engine.cli.objects.archive import written
from engine.cli.options import EngineOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions)
def export(
    project: ProjectOptions,
    engine: EngineOptions,
    service: Annotated[str, typer.Argument(help="The service")],
    index: Annotated[int | None, typer.Option("--index", help="Which replica")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Into this file, not to stdout")] = None,
) -> None:
    """Write a container's file system as a tar. Example: rorqual export -o web.tar web"""
    named = named_project(project)
    if output is None and sys.stdout.isatty():
        raise typer.BadParameter("a tar is nothing for a terminal: name a file with -o, or redirect the output")

    async def run() -> None:
        async with connected(engine, project=named.name) as client:
            container = await container_of(client, named.name, service, index, all=True)
            async with client.containers.export(container["Id"]) as pieces:
                await written(pieces, output)

    anyio.run(run)
