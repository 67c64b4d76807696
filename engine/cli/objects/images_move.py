"""`image save/load/import`: images in and out by archive; and the words of a load or a pull."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TextIO

import anyio
import typer

from engine.api.images import Progress
from engine.cli.objects.archive import read_file, written
from engine.cli.objects.group import reached, rehearsed
from engine.cli.options import EngineOptions, with_options
from engine.client.images import split_tag
from engine.client.streams import JsonLines

Quietly = Annotated[bool, typer.Option("--quiet", "-q", help="Without progress")]


@with_options(EngineOptions)
def save(
    engine: EngineOptions,
    images: Annotated[list[str], typer.Argument(help="Images, by name or id")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Into this file, not to stdout")] = None,
) -> None:
    """Write images as one archive. Example: rorqual image save -o web.tar web"""
    if output is None and sys.stdout.isatty():
        raise typer.BadParameter("an archive is nothing for a terminal: name a file with -o, or redirect the output")

    async def run() -> None:
        async with reached(engine) as client, client.images.save(*images) as pieces:
            await written(pieces, output)

    anyio.run(run)


@with_options(EngineOptions)
def load(
    engine: EngineOptions,
    input: Annotated[Path | None, typer.Option("--input", "-i", help="From this file, not from stdin")] = None,
    quiet: Quietly = False,
) -> None:
    """Load the images of an archive. Example: rorqual image load -i web.tar"""
    if input is None and sys.stdin.isatty():
        raise typer.BadParameter("an archive is expected: name a file with -i, or redirect the input")
    if rehearsed(engine, f"load the images of {input or 'stdin'}"):
        return

    async def run() -> None:
        async with reached(engine) as client, client.images.load(read_file(input), quiet=quiet) as lines:
            await told(lines, quiet=quiet)

    anyio.run(run)


@with_options(EngineOptions)
def import_(
    engine: EngineOptions,
    source: Annotated[str, typer.Argument(help="The tar of a root file system, or - for stdin")],
    image: Annotated[str, typer.Argument(metavar="[REPOSITORY[:TAG]]", help="Its name")] = "",
    change: Annotated[list[str] | None, typer.Option("--change", "-c", help="A Dockerfile instruction")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="A comment")] = None,
    platform: Annotated[str | None, typer.Option("--platform", help="What it is for")] = None,
) -> None:
    """Make an image of a root file system. Example: rorqual image import root.tar web:1"""
    repository, tag = split_tag(image) if image else ("", None)
    file = None if source == "-" else Path(source)
    if rehearsed(engine, f"make {image or 'an image'} of {source}"):
        return

    async def run() -> None:
        async with (
            reached(engine) as client,
            client.images.import_(
                read_file(file),
                repository=repository,
                tag=tag,
                message=message,
                changes=change or (),
                platform=platform,
            ) as lines,
        ):
            async for line in lines:
                print(line.get("status") or "")

    anyio.run(run)


async def told(lines: JsonLines[Progress], *, quiet: bool, to: TextIO | None = None) -> None:
    """What the engine says to the end: bytes of a layer only in steps of its state; results always."""
    out = to or sys.stdout
    said: dict[str, str] = {}
    async for line in lines:
        if stream := line.get("stream"):
            out.write(stream)
            continue
        id, status = line.get("id") or "", line.get("status") or ""
        if quiet or not status or said.get(id) == status:
            continue
        said[id] = status
        print(f"{id}: {status}" if id else status, file=out)


def add_to(group: typer.Typer) -> None:
    for command in (save, load):
        group.command(command.__name__)(command)
    group.command("import")(import_)
