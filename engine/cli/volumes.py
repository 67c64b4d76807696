"""`rorqual volumes`: the project's volumes, or those that some of its services mount."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from engine.api.volumes import VolumeInspect
from engine.cli.connection import connected
from engine.cli.members import ServiceNames, containers_of, named_project
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.render.listing import listing, show
from engine.cli.volumerows import COLUMNS, MORE, row_of
from engine.plan.lower.naming import PROJECT


@with_options(ProjectOptions, EngineOptions)
def volumes(
    project: ProjectOptions,
    engine: EngineOptions,
    services: ServiceNames = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the names")] = False,
    format: Annotated[str, typer.Option("--format", help="table, json, a template or table TEMPLATE")] = "table",
) -> None:
    """List the project's volumes. Example: rorqual volumes db"""
    named, wanted = named_project(project), tuple(services or ())
    named.check(wanted)

    async def run() -> list[VolumeInspect]:
        async with connected(engine, project=named.name) as client:
            found = await client.volumes.list(filters={"label": f"{PROJECT}={named.name}"})
            if not wanted:
                return found
            containers = await containers_of(client, named.name, wanted, all=True)
            mounted = {mount.get("Name") for container in containers for mount in container.get("Mounts") or ()}
            return [volume for volume in found if volume["Name"] in mounted]

    rows = sorted(map(row_of, anyio.run(run)), key=lambda row: str(row["Name"]))
    if quiet:
        show("\n".join(row["Name"] for row in rows))
    else:
        show(listing(rows, COLUMNS, format, fields=MORE))
