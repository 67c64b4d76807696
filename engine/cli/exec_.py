"""`rorqual exec`: a command in a running container, with this terminal as its own."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated

import anyio
import typer

from engine.api.containers import ExecCreate
from engine.cli.connection import connected
from engine.cli.members import container_of, name_of, named_project
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.terminal import Conversation, Ended, is_terminal, raw_mode
from engine.client.session import Engine


@with_options(ProjectOptions, EngineOptions)
def exec_(
    project: ProjectOptions,
    engine: EngineOptions,
    service: Annotated[str, typer.Argument(help="The service")],
    command: Annotated[list[str], typer.Argument(help="The command and its arguments")],
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running in the background")] = False,
    env: Annotated[list[str] | None, typer.Option("--env", "-e", help="NAME=VALUE, or NAME as it is here")] = None,
    index: Annotated[int | None, typer.Option("--index", help="Which replica")] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive/--no-interactive", "-i", help="Pass standard input on")
    ] = True,
    tty: Annotated[bool, typer.Option("--tty", "-t", help="A terminal, even if none is here", hidden=True)] = False,
    no_tty: Annotated[bool, typer.Option("--no-tty", "-T", help="No terminal")] = False,
    privileged: Annotated[bool, typer.Option("--privileged", help="With every privilege")] = False,
    user: Annotated[str, typer.Option("--user", "-u", help="As this user")] = "",
    workdir: Annotated[str, typer.Option("--workdir", "-w", help="In this directory")] = "",
) -> None:
    """Run a command in a running container. Example: rorqual exec web sh"""
    named = named_project(project)
    terminal = (tty or is_terminal()) and not no_tty and not detach
    body: ExecCreate = {
        "Cmd": command,
        "Env": environment(env or ()),
        "Tty": terminal,
        "AttachStdin": interactive and not detach,
        "AttachStdout": not detach,
        "AttachStderr": not detach,
        "Privileged": privileged,
        "User": user,
        "WorkingDir": workdir,
    }

    async def run() -> int:
        async with connected(engine) as client:
            container = await container_of(client, named.name, service, index)
            if engine.dry_run:
                print(f"would run in {name_of(container)}: {shlex.join(command)}")
                return 0
            exec_id = await client.exec.create(container["Id"], body)
            if detach:
                await client.exec.start_detached(exec_id)
                return 0
            return await converse(client, exec_id, stdin=interactive, tty=terminal)

    raise typer.Exit(anyio.run(run))


# What comes after the service is the command's own, options and all.
exec_.context_settings = {"allow_interspersed_args": False}  # type: ignore[attr-defined]


async def converse(engine: Engine, exec_id: str, *, stdin: bool, tty: bool) -> int:
    """The exec's own exit code; 0 where it was left running by the detach keys."""

    async def resize(height: int, width: int) -> None:
        await engine.exec.resize(exec_id, height=height, width=width)

    size = os.get_terminal_size(sys.stdout.fileno()) if tty and sys.stdout.isatty() else None
    with raw_mode(wanted=tty and stdin):
        try:
            async with engine.exec.start(
                exec_id, tty=tty, console_size=(size.lines, size.columns) if size else None
            ) as stream:
                if not await Conversation(stdin, tty, resize if size else None).run(stream):
                    return 0
        except Ended as end:
            return end.code
    return (await engine.exec.inspect(exec_id)).get("ExitCode") or 0


def environment(entries: Sequence[str]) -> list[str]:
    """`NAME` alone takes this process's value, and is left out where there is none."""
    known = [entry if "=" in entry else f"{entry}={os.environ[entry]}" for entry in entries if is_known(entry)]
    return known


def is_known(entry: str) -> bool:
    return "=" in entry or entry in os.environ
