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
from engine.kit.files import is_special


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
                whole = output is None or is_special(output)
                partial = None if output is None or whole else output.with_name(f".{output.name}.{os.getpid()}")
                file = sys.stdout.buffer
                if output is not None:
                    place = output if partial is None else partial
                    file = stack.enter_context(place.open("wb" if partial is None else "xb"))
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
