"""`rorqual cp`: files and folders between the host and a service's containers, by the rules of `docker cp`."""

from __future__ import annotations

import sys
from typing import Annotated

import anyio
import typer

from engine.api.errors import NotFound
from engine.cli.connection import connected
from engine.cli.copying import copy_in, copy_out, split_service
from engine.cli.members import containers_of, name_of, named_project, number_of
from engine.cli.options import EngineOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions)
def cp(
    project: ProjectOptions,
    engine: EngineOptions,
    source: Annotated[str, typer.Argument(help="SERVICE:PATH, a path here, or - for a tar from stdin")],
    target: Annotated[str, typer.Argument(help="SERVICE:PATH, a path here, or - for a tar to stdout")],
    archive: Annotated[bool, typer.Option("--archive", "-a", help="Keep owners")] = False,
    follow_link: Annotated[bool, typer.Option("--follow-link", "-L", help="Copy what a link points to")] = False,
    index: Annotated[int | None, typer.Option("--index", help="Which replica")] = None,
    all: Annotated[bool, typer.Option("--all", help="Containers that `run` made too")] = False,
) -> None:
    """Copy between a container and the host. Example: rorqual cp web:/etc/nginx ./nginx"""
    named = named_project(project)
    from_service, to_service = split_service(source), split_service(target)
    if bool(from_service) == bool(to_service):
        raise typer.BadParameter("one of the two must be SERVICE:PATH, and the other a path here or -")
    service, path = from_service or to_service or ("", "")
    if not path:
        raise typer.BadParameter(f"{service}: has no path after the colon: write {service}:/ for the container's root")

    async def run() -> None:
        async with connected(engine, project=named.name) as client:
            found = await containers_of(client, named.name, [service], all=True, oneoff=None if all else False)
            chosen = [c for c in found if not index or number_of(c) == index]
            if not chosen:
                raise NotFound(f'no container of service "{service}" exists')
            if engine.dry_run:
                print(
                    f"would copy {source} to {target}: {', '.join(map(name_of, chosen if to_service else chosen[:1]))}"
                )
                return
            if from_service:
                await copy_out(client, chosen[0]["Id"], path, target, follow=follow_link, keep_owner=archive)
                return
            # into every replica, unless one is named
            for container in chosen:
                await copy_in(client, container["Id"], source, path, follow=follow_link, keep_owner=archive)
                if source == "-":
                    break
                print(f"copied {source} to {name_of(container)}:{path}", file=sys.stderr)

    anyio.run(run)
