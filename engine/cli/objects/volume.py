"""`rorqual volume`: the engine's volumes."""

from __future__ import annotations

from typing import Annotated, Any

import anyio
import typer

from engine.api.errors import NotFound
from engine.api.volumes import VolumeCreate
from engine.cli.objects import volume_move
from engine.cli.objects.amounts import pairs
from engine.cli.objects.group import (
    Filter,
    Force,
    Format,
    InspectFormat,
    PruneFilter,
    Quiet,
    agreed,
    filters_from,
    inspect_all,
    list_all,
    make_group,
    on_each,
    reached,
    whole,
)
from engine.cli.options import EngineOptions, with_options
from engine.cli.render.amounts import decimal_size
from engine.cli.volumerows import COLUMNS, MORE, row_of
from engine.client.session import Engine

volume = make_group("Volumes of the engine.")

Volumes = Annotated[list[str], typer.Argument(help="Volumes, by name")]
Many = list[str] | None

volume_move.add_to(volume)


@volume.command("ls")
@with_options(EngineOptions)
def ls(engine: EngineOptions, filter: Filter = None, format: Format = "table", quiet: Quiet = False) -> None:
    """List volumes. Example: rorqual volume ls --filter dangling=true"""

    list_all(
        engine,
        lambda client: client.volumes.list(filters=filters_from(filter)),
        row_of,
        (COLUMNS, MORE),
        format,
        only="Name" if quiet else None,
    )


@volume.command("inspect")
@with_options(EngineOptions)
def inspect(engine: EngineOptions, volumes: Volumes, format: InspectFormat = "") -> None:
    """Show everything about volumes. Example: rorqual volume inspect -f '{{.Mountpoint}}' data"""
    inspect_all(engine, volumes, format, lambda client, name: client.volumes.inspect(name))


@volume.command("create")
@with_options(EngineOptions)
def create(
    engine: EngineOptions,
    name: Annotated[str, typer.Argument(metavar="[VOLUME]", help="Its name; one is made up without")] = "",
    driver: Annotated[str, typer.Option("--driver", "-d", help="Which driver")] = "local",
    label: Annotated[Many, typer.Option("--label", help="KEY=VALUE; repeatable")] = None,
    opt: Annotated[Many, typer.Option("--opt", "-o", help="KEY=VALUE for the driver")] = None,
) -> None:
    """Make a volume. Example: rorqual volume create -o type=tmpfs -o device=tmpfs scratch"""
    body: VolumeCreate = {"Name": name, "Driver": driver, "Labels": pairs(label), "DriverOpts": pairs(opt)}

    async def run() -> str:
        async with reached(engine) as client:
            if whole(engine).dry_run:
                return f"would create {name or 'a volume'}"
            return (await client.volumes.create(body))["Name"]

    print(anyio.run(run))


@volume.command("rm")
@with_options(EngineOptions)
def rm(
    engine: EngineOptions,
    volumes: Volumes,
    force: Annotated[bool, typer.Option("--force", "-f", help="A missing one is no fault")] = False,
) -> None:
    """Remove volumes, with all that is in them. Example: rorqual volume rm data"""

    async def act(client: Engine, name: str) -> None:
        try:
            await client.volumes.remove(name, force=force)
        except NotFound:
            if not force:
                raise

    on_each(engine, "remove", volumes, act)


@volume.command("prune")
@with_options(EngineOptions)
def prune(
    engine: EngineOptions,
    all: Annotated[bool, typer.Option("--all", "-a", help="Named ones too, not only anonymous ones")] = False,
    force: Force = False,
    filter: PruneFilter = None,
) -> None:
    """Remove volumes that no container uses. Example: rorqual volume prune -f"""
    which = "" if all else "anonymous "
    if not agreed(engine, force, f"all {which}local volumes not used by at least one container"):
        raise typer.Exit(1)

    async def run() -> Any:
        async with reached(engine) as client:
            filters = filters_from(filter)
            if client.api_version >= (1, 42):
                filters |= {"all": ["true"]} if all else {}
            return await client.volumes.prune(filters=filters)

    found = anyio.run(run)
    if deleted := found.get("VolumesDeleted"):
        print("Deleted Volumes:", *deleted, "", sep="\n")
    print(f"Total reclaimed space: {decimal_size(found.get('SpaceReclaimed') or 0)}")
