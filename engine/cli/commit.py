"""`rorqual commit`: a service's container as it is, made an image."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from engine.cli.connection import connected
from engine.cli.members import container_of, name_of, named_project
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.client.images import split_tag


@with_options(ProjectOptions, EngineOptions)
def commit(
    project: ProjectOptions,
    engine: EngineOptions,
    service: Annotated[str, typer.Argument(help="The service")],
    image: Annotated[str | None, typer.Argument(help="NAME[:TAG] of the image", show_default=False)] = None,
    author: Annotated[str | None, typer.Option("--author", "-a", help="Who made it")] = None,
    change: Annotated[list[str] | None, typer.Option("--change", "-c", help="A Dockerfile instruction")] = None,
    index: Annotated[int | None, typer.Option("--index", help="Which replica")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="What it is")] = None,
    pause: Annotated[bool, typer.Option("--pause/--no-pause", "-p", help="Pause the container meanwhile")] = True,
) -> None:
    """Make an image of a service's container. Example: rorqual commit web shop-web:patched"""
    named = named_project(project)
    repository, tag = split_tag(image) if image else (None, None)

    async def run() -> str:
        async with connected(engine, project=named.name) as client:
            container = await container_of(client, named.name, service, index)
            if engine.dry_run:
                return f"would make an image of {name_of(container)}"
            return await client.containers.commit(
                container["Id"],
                repository=repository,
                tag=tag,
                comment=message,
                author=author,
                pause=pause,
                changes=change or (),
            )

    print(anyio.run(run))
