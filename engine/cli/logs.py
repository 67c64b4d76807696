"""`rorqual logs`: what the project's containers wrote, and with -f what they write."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import anyio
import typer

from engine.cli.connection import connected
from engine.cli.follow import LogFollower, LogOptions, Source
from engine.cli.members import ServiceNames, container_of, named_project
from engine.cli.moments import moment_of
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.reader import reader_gone
from engine.cli.render.colour import wants_colour
from engine.cli.render.logs import LogPrinter

# How long `-f` waits for something to start again once nothing runs: a restart or a replacement takes less.
LINGER_SECONDS = 3.0

NoColour = Annotated[bool, typer.Option("--no-color", help="No colours")]
NoPrefix = Annotated[bool, typer.Option("--no-log-prefix", help="Lines without the container's name")]


@with_options(ProjectOptions, EngineOptions)
def logs(
    project: ProjectOptions,
    engine: EngineOptions,
    services: ServiceNames = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes")] = False,
    tail: Annotated[str, typer.Option("--tail", "-n", help="Only the last lines of each container")] = "all",
    since: Annotated[str | None, typer.Option("--since", help="From this time or this long ago on")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Until this time or this long ago")] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", "-t", help="Each line with its time")] = False,
    no_log_prefix: NoPrefix = False,
    no_color: NoColour = False,
    index: Annotated[int | None, typer.Option("--index", help="Only this replica")] = None,
) -> None:
    """Show the containers' output. Example: rorqual logs -f --tail 20 web"""
    named, wanted, now = named_project(project), frozenset(services or ()), time.time_ns()
    named.check(wanted)
    options = LogOptions(
        tail=tail_of(tail),
        since=moment_of(since, "--since", now) if since else None,
        until=moment_of(until, "--until", now) if until else None,
        index=index,
    )
    colour = wants_colour(sys.stdout, engine.ansi) and not no_color
    printer = LogPrinter(colour=colour, prefix=not no_log_prefix, timestamps=timestamps)

    def exited(source: Source, code: int, restarting: bool) -> None:
        printer.status(source, f"exited with code {code}{' (restarting)' if restarting else ''}")

    async def run() -> None:
        async with connected(engine, project=named.name) as client:
            if index is not None and len(wanted) == 1:
                await container_of(client, named.name, min(wanted), index, all=True)
            follower = LogFollower(
                client.reader,
                named.name,
                wanted or None,
                printer.line,
                options,
                exited,
                warn=lambda text: print(f"rorqual: {text}", file=sys.stderr),
                found=printer.expect,
            )
            printer.live = follow
            if not follow:
                await follower.print_all()
                return
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reader_gone)
                await follower.follow(LINGER_SECONDS)
                tasks.cancel_scope.cancel()

    anyio.run(run)


def tail_of(text: str) -> str:
    if text == "all" or text.isdigit():
        return text
    if text.lstrip("-").isdigit():
        return "all"
    raise typer.BadParameter(f'--tail takes a number of lines or all, not "{text}"')
