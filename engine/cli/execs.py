"""A command run in a running container, with this terminal as its own: what `exec` and `container exec` share."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from engine.api.containers import ExecCreate
from engine.cli.terminal import Conversation, Ended, raw_mode
from engine.client.session import Engine

Command = Annotated[list[str], typer.Argument(help="The command and its arguments")]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Leave it running in the background")]
Env = Annotated[list[str] | None, typer.Option("--env", "-e", help="NAME=VALUE, or NAME as it is here")]
Privileged = Annotated[bool, typer.Option("--privileged", help="With every privilege")]
User = Annotated[str, typer.Option("--user", "-u", help="As this user")]
Workdir = Annotated[str, typer.Option("--workdir", "-w", help="In this directory")]


def exec_body(
    command: list[str],
    env: Sequence[str] | None,
    *,
    detach: bool,
    stdin: bool,
    tty: bool,
    privileged: bool,
    user: str,
    workdir: str,
) -> ExecCreate:
    return {
        "Cmd": command,
        "Env": environment(env or ()),
        "Tty": tty,
        "AttachStdin": stdin and not detach,
        "AttachStdout": not detach,
        "AttachStderr": not detach,
        "Privileged": privileged,
        "User": user,
        "WorkingDir": workdir,
    }


async def execute(engine: Engine, container: str, body: ExecCreate) -> int:
    """The command's own exit code; 0 where it was left running."""
    exec_id = await engine.exec.create(container, body)
    if not body.get("AttachStdout"):
        await engine.exec.start_detached(exec_id)
        return 0
    return await converse(engine, exec_id, stdin=bool(body.get("AttachStdin")), tty=bool(body.get("Tty")))


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
    return await engine.exec.exit_code(exec_id)


def environment(entries: Sequence[str]) -> list[str]:
    """`NAME` alone takes this process's value, and is left out where there is none."""
    return [entry if "=" in entry else f"{entry}={os.environ[entry]}" for entry in entries if is_known(entry)]


def is_known(entry: str) -> bool:
    return "=" in entry or entry in os.environ
