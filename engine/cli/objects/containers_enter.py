"""`container exec/attach/cp/commit/export`: into a container and out of it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import anyio
import typer

from engine.api.errors import Conflict
from engine.cli.copying import copy_in, copy_out, split_service
from engine.cli.detachkeys import DEFAULT
from engine.cli.execs import Command, Detach, Env, Privileged, User, Workdir, exec_body, execute
from engine.cli.joining import join
from engine.cli.objects.archive import written
from engine.cli.objects.group import One, reached, rehearsed
from engine.cli.options import EngineOptions, with_options
from engine.client.images import split_tag


@with_options(EngineOptions)
def exec_(
    engine: EngineOptions,
    container: One,
    command: Command,
    detach: Detach = False,
    env: Env = None,
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Pass standard input on")] = False,
    tty: Annotated[bool, typer.Option("--tty", "-t", help="With a terminal")] = False,
    privileged: Privileged = False,
    user: User = "",
    workdir: Workdir = "",
) -> None:
    """Run a command in a running container. Example: rorqual container exec -it web sh"""
    body = exec_body(
        command,
        env,
        detach=detach,
        stdin=interactive,
        tty=tty,
        privileged=privileged,
        user=user,
        workdir=workdir,
    )
    if rehearsed(engine, f"run in {container}: {shlex.join(command)}"):
        return

    async def run() -> int:
        async with reached(engine) as client:
            return await execute(client, container, body)

    raise typer.Exit(anyio.run(run))


@with_options(EngineOptions)
def attach(
    engine: EngineOptions,
    container: One,
    detach_keys: Annotated[str, typer.Option("--detach-keys", help="The keys that leave it running")] = DEFAULT,
    no_stdin: Annotated[bool, typer.Option("--no-stdin", help="Only look")] = False,
    sig_proxy: Annotated[bool, typer.Option("--sig-proxy/--no-sig-proxy", help="Pass signals on")] = True,
) -> None:
    """Join a running container's main process. Example: rorqual container attach web"""
    if rehearsed(engine, f"attach to {container}"):
        return

    async def run() -> int:
        async with reached(engine) as client:
            found = await client.containers.inspect(container)
            state = found.get("State") or {}
            if not state.get("Running") or state.get("Paused"):
                raise Conflict(f"{container} is {state.get('Status')}: only what runs can be joined")
            return await join(client, found["Id"], detach_keys, stdin=not no_stdin, proxy=sig_proxy)

    raise typer.Exit(anyio.run(run))


@with_options(EngineOptions)
def cp(
    engine: EngineOptions,
    source: Annotated[str, typer.Argument(help="CONTAINER:PATH, a path here, or - for a tar from stdin")],
    target: Annotated[str, typer.Argument(help="CONTAINER:PATH, a path here, or - for a tar to stdout")],
    archive: Annotated[bool, typer.Option("--archive", "-a", help="Keep owners")] = False,
    follow_link: Annotated[bool, typer.Option("--follow-link", "-L", help="Copy what a link points to")] = False,
) -> None:
    """Copy between a container and the host. Example: rorqual container cp web:/etc/nginx ./nginx"""
    outwards, inwards = split_service(source), split_service(target)
    if bool(outwards) == bool(inwards):
        raise typer.BadParameter("one of the two must be CONTAINER:PATH, and the other a path here or -")
    if rehearsed(engine, f"copy {source} to {target}"):
        return

    async def run() -> None:
        async with reached(engine) as client:
            name, path = outwards or inwards or ("", "")
            id = (await client.containers.inspect(name))["Id"]
            if outwards:
                await copy_out(client, id, path, target, follow=follow_link, keep_owner=archive)
            else:
                await copy_in(client, id, source, path, follow=follow_link, keep_owner=archive)

    anyio.run(run)


@with_options(EngineOptions)
def commit(
    engine: EngineOptions,
    container: One,
    image: Annotated[str | None, typer.Argument(metavar="[REPOSITORY[:TAG]]", help="Its name")] = None,
    author: Annotated[str | None, typer.Option("--author", "-a", help="Who made it")] = None,
    change: Annotated[list[str] | None, typer.Option("--change", "-c", help="A Dockerfile instruction")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="A comment")] = None,
    pause: Annotated[bool, typer.Option("--pause/--no-pause", "-p", help="Pause the container meanwhile")] = True,
) -> None:
    """Make an image of a container. Example: rorqual container commit web web:patched"""
    if rehearsed(engine, f"make an image of {container}"):
        return
    repository, tag = split_tag(image) if image else (None, None)

    async def run() -> str:
        async with reached(engine) as client:
            return await client.containers.commit(
                container,
                repository=repository,
                tag=tag,
                comment=message,
                author=author,
                pause=pause,
                changes=change or (),
            )

    print(anyio.run(run))


@with_options(EngineOptions)
def export(
    engine: EngineOptions,
    container: One,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Into this file, not to stdout")] = None,
) -> None:
    """Write a container's file system as a tar. Example: rorqual container export -o web.tar web"""

    async def run() -> None:
        async with reached(engine) as client, client.containers.export(container) as pieces:
            await written(pieces, output)

    if output is None and sys.stdout.isatty():
        raise typer.BadParameter("a tar is nothing for a terminal: name a file with -o, or redirect the output")
    anyio.run(run)


def add_to(group: typer.Typer) -> None:
    # What comes after the container is the command's own, options and all.
    group.command("exec", context_settings={"allow_interspersed_args": False})(exec_)
    for command in (attach, cp, commit, export):
        group.command(command.__name__)(command)
