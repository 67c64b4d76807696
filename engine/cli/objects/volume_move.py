"""`volume export` and `volume import`: what is in a volume as a tar, to take it to another machine.

Any engine's archive API reaches a volume through a container that mounts it and is never started.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated

import anyio
import typer

from engine.api.errors import EngineError, InvalidArgument, NotFound, NotImplementedByEngine
from engine.api.volumes import VolumeCreate, VolumeInspect
from engine.cli.copying import into_thread
from engine.cli.objects.amounts import pairs
from engine.cli.objects.archive import pieces_of, written
from engine.cli.objects.group import reached, whole
from engine.cli.options import EngineOptions, with_options
from engine.cli.volumetars import checked, folder_alone, holds_something
from engine.client.session import Engine

# No image has anything there.
PLACE = "rorqual-volume"
CHUNK = 1 << 16

Name = Annotated[str, typer.Argument(metavar="VOLUME", help="The volume")]


@with_options(EngineOptions)
def export(
    engine: EngineOptions,
    name: Name,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Into this file, not to stdout")] = None,
) -> None:
    """Write what is in a volume as a tar. Example: rorqual volume export -o data.tar shop_data"""
    if output is None and sys.stdout.isatty():
        raise typer.BadParameter("a tar is nothing for a terminal: name a file with -o, or redirect the output")

    async def run() -> None:
        async with reached(engine) as client:
            await client.volumes.inspect(name)
            if (await client.capabilities()).engine == "podman":
                raise NotImplementedByEngine(
                    "Podman's archives give every file to one owner, so that the data would not be what it was; "
                    f"`podman volume export -o {output or 'FILE'} {name}` writes the same kind of tar, "
                    "and `rorqual volume import` takes it on every engine"
                )
            if whole(engine).dry_run:
                print(f"would write {name} to {output or 'stdout'}", file=sys.stderr)
                return
            async with (
                helper(client, name, read_only=True) as container,
                client.containers.get_archive(container, f"/{PLACE}/.") as archive,
            ):
                await written(archive, output)

    anyio.run(run)


@with_options(EngineOptions)
def import_(
    engine: EngineOptions,
    name: Name,
    source: Annotated[str, typer.Argument(metavar="[FILE]", help="The tar; - is stdin")] = "-",
    force: Annotated[bool, typer.Option("--force", "-f", help="Over what is in the volume already")] = False,
    label: Annotated[list[str] | None, typer.Option("--label", help="KEY=VALUE for the new volume; repeatable")] = None,
) -> None:
    """Fill a volume from a tar; it is made if missing. Example: rorqual volume import shop_data data.tar"""
    if source == "-" and sys.stdin.isatty():
        raise typer.BadParameter("a tar is expected: name a file, or redirect the input")
    labels = pairs(label)

    async def run() -> None:
        with opened(source) as file:
            # before anything is touched: a tar that is not whole changes nothing
            top = await anyio.to_thread.run_sync(checked, file, "stdin" if source == "-" else source)
            async with reached(engine) as client:
                if whole(engine).dry_run:
                    print(f"would fill {name} from {source}")
                    return
                async with filling(client, name, labels, force=force) as container:
                    await client.containers.put_archive(container, f"/{PLACE}", pieces_of(file))
                    if top is not None:
                        # a folder's own entry is left out where a tar is unpacked in it: it is told from above
                        await client.containers.put_archive(container, "/", folder_alone(top, PLACE))
        print(name)

    anyio.run(run)


@contextmanager
def opened(source: str) -> Iterator[IO[bytes]]:
    """The tar as a file that can be read twice: stdin is kept in a nameless one. Raises OSError."""
    if source != "-":
        with Path(source).open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept, CHUNK)
        kept.seek(0)
        yield kept


@asynccontextmanager
async def filling(client: Engine, name: str, labels: dict[str, str], *, force: bool) -> AsyncIterator[str]:
    """A container with the volume to be filled; where the block fails, the volume is as it was before.

    Raises InvalidArgument for a volume that has something in it, unless `force`, which nothing is taken back from.
    """
    found = await existing(client, name)
    if found is not None and labels:
        raise InvalidArgument(f"the volume {name} is there already, and its labels can't be changed: leave --label out")
    if found is None:
        await client.volumes.create({"Name": name, "Labels": labels})
    touched = found is None
    try:
        async with helper(client, name) as container:
            if found is not None and not force:
                if await has_content(client, container):
                    raise InvalidArgument(
                        f"the volume {name} is not empty: --force unpacks over what is there, another name keeps both"
                    )
                touched = True
            yield container
    except BaseException:
        if touched:
            with anyio.CancelScope(shield=True):
                await taken_back(client, name, found)
        raise


async def existing(client: Engine, name: str) -> VolumeInspect | None:
    try:
        return await client.volumes.inspect(name)
    except NotFound:
        return None


async def has_content(client: Engine, container: str) -> bool:
    found = False

    def look(stream: IO[bytes]) -> None:
        nonlocal found
        found = holds_something(stream)

    async with client.containers.get_archive(container, f"/{PLACE}/.") as archive:
        await into_thread(archive, look)
    return found


async def taken_back(client: Engine, name: str, before: VolumeInspect | None) -> None:
    """Remove what was made; a volume that was there and empty is made again as it was."""
    try:
        await client.volumes.remove(name)
        if before is not None:
            body: VolumeCreate = {
                "Name": name,
                "Driver": before.get("Driver") or "local",
                "DriverOpts": before.get("Options") or {},
                "Labels": before.get("Labels") or {},
            }
            await client.volumes.create(body)
    except EngineError as error:
        print(f"rorqual: a part of the tar is left in the volume {name}: {error.message}", file=sys.stderr)


@asynccontextmanager
async def helper(client: Engine, name: str, *, read_only: bool = False) -> AsyncIterator[str]:
    """The id of a container that has the volume at PLACE, is never started, and is gone afterwards."""
    body = {
        "Image": await any_image(client),
        "Entrypoint": ["none"],
        "Cmd": [],
        "Labels": {"io.rorqual.volume": name},
        "HostConfig": {
            "NetworkMode": "none",
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": name,
                    "Target": f"/{PLACE}",
                    "ReadOnly": read_only,
                    "VolumeOptions": {"NoCopy": True},
                }
            ],
        },
    }
    made = await client.containers.create(body, name=f"{PLACE}-{secrets.token_hex(6)}")  # type: ignore[arg-type]
    try:
        yield made["Id"]
    finally:
        with anyio.CancelScope(shield=True), suppress(NotFound):
            await client.containers.remove(made["Id"], force=True, volumes=True)


async def any_image(client: Engine) -> str:
    """The id of the smallest image: nothing in it is ever run. Raises NotFound where there is none."""
    images = await client.images.list()
    if not images:
        raise NotFound("the engine has no image to make a container of: load or pull the service's first")
    return min(images, key=lambda image: image.get("Size") or 0)["Id"]


def add_to(group: typer.Typer) -> None:
    group.command("export")(export)
    group.command("import")(import_)
