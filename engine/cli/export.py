"""`rorqual export`: the whole file system of a service's container as a tar."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import anyio
import typer

from engine.cli.connection import connected
from engine.cli.members import container_of, named_project
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.output import write


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
        async with connected(engine) as client:
            container = await container_of(client, named.name, service, index, all=True)
            with ExitStack() as stack:
                partial = None if output is None else output.with_name(f".{output.name}.{os.getpid()}")
                file = sys.stdout.buffer if partial is None else stack.enter_context(partial.open("xb"))
                try:
                    async with client.containers.export(container["Id"]) as pieces:
                        async for piece in pieces:
                            write(file, piece, flush=False)
                except BaseException:
                    if partial is not None:
                        partial.unlink(missing_ok=True)
                    raise
                write(file, b"")
                if partial is not None and output is not None:
                    partial.replace(output)

    anyio.run(run)
