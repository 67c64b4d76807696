"""`rorqual ps`: the project's containers, in Compose's columns."""

from __future__ import annotations

import time
from typing import Annotated

import anyio
import typer

from engine.api.containers import ContainerSummary
from engine.api.errors import InvalidArgument
from engine.cli.connection import connected
from engine.cli.containerrows import row_of
from engine.cli.members import Named, ServiceNames, containers_of, named_project, service_of
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.render.listing import listing, show

COLUMNS = {
    "Name": "NAME",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "Service": "SERVICE",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
}
MORE = (
    *("CreatedAt", "ExitCode", "Health", "ID", "Labels", "LocalVolumes", "Mounts", "Names", "Networks", "Project"),
    *("Publishers", "Size", "State"),
)
STATES = ("paused", "restarting", "removing", "running", "dead", "created", "exited")


@with_options(ProjectOptions, EngineOptions)
def ps(
    project: ProjectOptions,
    engine: EngineOptions,
    services: ServiceNames = None,
    all: Annotated[bool, typer.Option("--all", "-a", help="Stopped ones and those of `run` too")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the ids")] = False,
    format: Annotated[str, typer.Option("--format", help="table, json, a template or table TEMPLATE")] = "table",
    filter: Annotated[str | None, typer.Option("--filter", help="status=STATE")] = None,
    status: Annotated[list[str] | None, typer.Option("--status", help="Only in this state; repeatable")] = None,
    by_service: Annotated[bool, typer.Option("--services", help="Only the names of the services")] = False,
    orphans: Annotated[
        bool, typer.Option("--orphans/--no-orphans", help="Include containers that no service of the file made")
    ] = True,
    no_trunc: Annotated[bool, typer.Option("--no-trunc", help="Cut nothing")] = False,
) -> None:
    """List the project's containers. Example: rorqual ps -a --format json"""
    named, wanted = named_project(project), tuple(services or ())
    named.check(wanted)
    states = states_of(filter, status)

    async def run() -> list[ContainerSummary]:
        async with connected(engine, project=named.name) as client:
            every = all or bool(set(states) - {"running", "paused", "restarting"})
            found = await containers_of(client, named.name, wanted, all=every, oneoff=None if all else False)
            return [c for c in found if shown(c, named, states, orphans=orphans or bool(wanted))]

    found = anyio.run(run)
    if by_service:
        show("\n".join(dict.fromkeys(service_of(c) for c in found)))
    elif quiet:
        show("\n".join(c["Id"] for c in found))
    else:
        now = time.time()
        rows = [row_of(container, now, whole=no_trunc) for container in found]
        show(listing(rows, COLUMNS, format, fields=MORE))


def states_of(filter: str | None, status: list[str] | None) -> list[str]:
    states = list(status or ())
    if filter:
        key, _, value = filter.partition("=")
        if key != "status":
            raise typer.BadParameter(f'--filter takes status=STATE, not "{filter}"')
        states.append(value)
    for state in states:
        if state not in STATES:
            raise InvalidArgument(f'there is no status "{state}": it takes {", ".join(STATES)}')
    return states


def shown(container: ContainerSummary, named: Named, states: list[str], *, orphans: bool) -> bool:
    if states and container.get("State") not in states:
        return False
    return orphans or named.services is None or service_of(container) in named.services
