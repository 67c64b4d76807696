"""`rorqual attach`: this terminal joined to a service's main process."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from engine.api.errors import Conflict
from engine.cli.connection import connected
from engine.cli.detachkeys import DEFAULT
from engine.cli.joining import join
from engine.cli.members import container_of, name_of, named_project
from engine.cli.options import EngineOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions)
def attach(
    project: ProjectOptions,
    engine: EngineOptions,
    service: Annotated[str, typer.Argument(help="The service")],
    detach_keys: Annotated[str, typer.Option("--detach-keys", help="The keys that leave it running")] = DEFAULT,
    index: Annotated[int | None, typer.Option("--index", help="Which replica")] = None,
    no_stdin: Annotated[bool, typer.Option("--no-stdin", help="Only look")] = False,
    sig_proxy: Annotated[bool, typer.Option("--sig-proxy/--no-sig-proxy", help="Pass signals on")] = True,
) -> None:
    """Join the main process of a running container. Example: rorqual attach web"""
    named = named_project(project)

    async def run() -> int:
        async with connected(engine, project=named.name) as client:
            container = await container_of(client, named.name, service, index)
            state = (await client.containers.inspect(container["Id"]))["State"]
            if state.get("Paused"):
                raise Conflict(f"{name_of(container)} is paused: `rorqual unpause {service}` first")
            if engine.dry_run:
                print(f"would attach to {name_of(container)}")
                return 0
            return await join(client, container["Id"], detach_keys, stdin=not no_stdin, proxy=sig_proxy)

    raise typer.Exit(anyio.run(run))
