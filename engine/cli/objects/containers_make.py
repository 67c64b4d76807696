"""`container create` and `container run`: one container out of flags, as docker has them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, cast

import anyio
import typer

from engine.api.containers import ContainerCreate
from engine.api.errors import InvalidArgument, NotFound
from engine.cli.detachkeys import DEFAULT
from engine.cli.joining import join
from engine.cli.objects.createbody import body_of
from engine.cli.objects.createflags import LimitFlags, PlaceFlags, ProcessFlags
from engine.cli.objects.group import reached, whole
from engine.cli.objects.images_move import told
from engine.cli.options import PULLS, EngineOptions, one_of, with_options
from engine.client.session import Engine

Image = Annotated[str, typer.Argument(help="The image, by name or id")]
Command = Annotated[list[str] | None, typer.Argument(help="Instead of the image's own command")]
Pull = Annotated[str, typer.Option("--pull", help="always, missing or never")]
Platform = Annotated[str | None, typer.Option("--platform", help="For this platform, such as linux/arm64")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Pull without progress")]
# docker's -h is the host name, and what comes after the image is the command's own.
SETTINGS: dict[str, Any] = {"allow_interspersed_args": False, "help_option_names": ["--help"]}


@with_options(ProcessFlags, PlaceFlags, LimitFlags, EngineOptions)
def create(
    process: ProcessFlags,
    place: PlaceFlags,
    limits: LimitFlags,
    engine: EngineOptions,
    image: Image,
    command: Command = None,
    pull: Pull = "missing",
    platform: Platform = None,
    quiet: Quiet = False,
) -> None:
    """Make a container, and don't start it. Example: rorqual container create --name web -p 8080:80 nginx"""
    one_of("--pull", pull, PULLS)
    check_cidfile(process.cidfile)
    body = body_of(image, command or [], process, place, limits, attached=True)

    async def run() -> None:
        async with reached(engine) as client:
            print(await made(client, engine, body, process, pull=pull, platform=platform, quiet=quiet))

    anyio.run(run)


@with_options(ProcessFlags, PlaceFlags, LimitFlags, EngineOptions)
def run(
    process: ProcessFlags,
    place: PlaceFlags,
    limits: LimitFlags,
    engine: EngineOptions,
    image: Image,
    command: Command = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running, and print its id")] = False,
    detach_keys: Annotated[str, typer.Option("--detach-keys", help="The keys that leave it running")] = DEFAULT,
    sig_proxy: Annotated[bool, typer.Option("--sig-proxy/--no-sig-proxy", help="Pass signals on")] = True,
    pull: Pull = "missing",
    platform: Platform = None,
    quiet: Quiet = False,
) -> None:
    """Make a container and start it. Example: rorqual container run --rm -it debian sh"""
    one_of("--pull", pull, PULLS)
    if process.rm and process.restart not in {"", "no"}:
        raise typer.BadParameter("--restart and --rm contradict each other")
    check_cidfile(process.cidfile)
    body = body_of(image, command or [], process, place, limits, attached=not detach)

    async def go() -> int:
        async with reached(engine) as client:
            id = await made(client, engine, body, process, pull=pull, platform=platform, quiet=quiet)
            if whole(engine).dry_run:
                print(id)
                return 0
            if detach:
                await started(client, id, remove=process.rm)
                print(id)
                return 0
            return await join(
                client,
                id,
                detach_keys,
                stdin=process.interactive,
                proxy=sig_proxy,
                start=lambda: started(client, id, remove=process.rm),
                condition="removed" if process.rm else "next-exit",
            )

    try:
        raise typer.Exit(anyio.run(go))
    except InvalidArgument as error:
        print(f"rorqual: {error.message}", file=sys.stderr)
        raise typer.Exit(exit_code_of(error.message)) from None


def exit_code_of(message: str) -> int:
    """The shell's codes, as docker gives them: 127 not found, 126 not executable, 125 everything else."""
    if "executable file not found" in message or "no such file or directory" in message:
        return 127
    return 126 if "permission denied" in message else 125


async def made(
    client: Engine,
    engine: EngineOptions,
    body: Mapping[str, Any],
    process: ProcessFlags,
    *,
    pull: str,
    platform: str | None,
    quiet: bool,
) -> str:
    """The container's id; its image is pulled where `pull` says so."""
    if whole(engine).dry_run:
        return f"would create a container of {body['Image']}"
    if pull == "always":
        await pulled(client, str(body["Image"]), platform, quiet=quiet)
    wanted = cast(ContainerCreate, body)
    try:
        answer = await client.containers.create(wanted, name=process.name, platform=platform)
    except NotFound as error:
        if pull != "missing" or "image" not in error.message.lower():
            raise
        await pulled(client, str(body["Image"]), platform, quiet=quiet)
        answer = await client.containers.create(wanted, name=process.name, platform=platform)
    for warning in answer.get("Warnings") or ():
        print(f"WARNING: {warning}", file=sys.stderr)
    if process.cidfile is not None:
        keep_id(process.cidfile, answer["Id"])
    return answer["Id"]


def check_cidfile(file: str | None) -> None:
    """Raises InvalidArgument: an id is never written over another."""
    if file is not None and os.path.exists(file):
        raise InvalidArgument(f"the file {file} is there already: remove it, or name another --cidfile")


def keep_id(file: str, id: str) -> None:
    Path(file).write_text(id)


async def pulled(client: Engine, image: str, platform: str | None, *, quiet: bool) -> None:
    print(f"Pulling {image}", file=sys.stderr)
    async with client.images.pull(image, platform=platform) as lines:
        await told(lines, quiet=quiet, to=sys.stderr)


async def started(client: Engine, id: str, *, remove: bool) -> None:
    """Start it, or take it away again: an --rm container that never ran is nobody's."""
    try:
        await client.containers.start(id)
    except BaseException:
        if remove:
            with anyio.move_on_after(10, shield=True), suppress(NotFound):
                await client.containers.remove(id, force=True, volumes=True)
        raise


def add_to(group: typer.Typer) -> None:
    group.command("run", context_settings=SETTINGS)(run)
    group.command("create", context_settings=SETTINGS)(create)
