"""`rorqual exec`: a command in a running container, with this terminal as its own."""

from __future__ import annotations

import shlex
from typing import Annotated

import anyio
import typer

from engine.cli.connection import connected
from engine.cli.execs import Command, Detach, Env, Privileged, User, Workdir, exec_body, execute
from engine.cli.members import container_of, name_of, named_project
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.terminal import is_terminal


@with_options(ProjectOptions, EngineOptions)
def exec_(
    project: ProjectOptions,
    engine: EngineOptions,
    service: Annotated[str, typer.Argument(help="The service")],
    command: Command,
    detach: Detach = False,
    env: Env = None,
    index: Annotated[int | None, typer.Option("--index", help="Which replica")] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive/--no-interactive", "-i", help="Pass standard input on")
    ] = True,
    tty: Annotated[bool, typer.Option("--tty", "-t", help="A terminal, even if none is here", hidden=True)] = False,
    no_tty: Annotated[bool, typer.Option("--no-tty", "-T", help="No terminal")] = False,
    privileged: Privileged = False,
    user: User = "",
    workdir: Workdir = "",
) -> None:
    """Run a command in a running container. Example: rorqual exec web sh"""
    named = named_project(project)
    terminal = (tty or is_terminal()) and not no_tty and not detach
    body = exec_body(
        command,
        env,
        detach=detach,
        stdin=interactive,
        tty=terminal,
        privileged=privileged,
        user=user,
        workdir=workdir,
    )

    async def run() -> int:
        async with connected(engine, project=named.name) as client:
            container = await container_of(client, named.name, service, index)
            if engine.dry_run:
                print(f"would run in {name_of(container)}: {shlex.join(command)}")
                return 0
            return await execute(client, container["Id"], body)

    raise typer.Exit(anyio.run(run))


# What comes after the service is the command's own, options and all.
exec_.context_settings = {"allow_interspersed_args": False}  # type: ignore[attr-defined]
