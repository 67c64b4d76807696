"""`rorqual port`: where on the host a port of a service is published."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from engine.api.containers import ContainerSummary
from engine.api.errors import NotFound
from engine.cli.connection import connected
from engine.cli.members import container_of, name_of, named_project
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.render.amounts import bracketed


@with_options(ProjectOptions, EngineOptions)
def port(
    project: ProjectOptions,
    engine: EngineOptions,
    service: Annotated[str, typer.Argument(help="The service")],
    private_port: Annotated[int, typer.Argument(help="The port in its container")],
    protocol: Annotated[str, typer.Option("--protocol", help="tcp or udp")] = "tcp",
    index: Annotated[int | None, typer.Option("--index", help="Which replica")] = None,
) -> None:
    """Print the host's address of a published port. Example: rorqual port web 80"""
    named = named_project(project)

    async def run() -> ContainerSummary:
        async with connected(engine, project=named.name) as client:
            return await container_of(client, named.name, service, index)

    print(address_of(anyio.run(run), private_port, protocol.lower()))


def address_of(container: ContainerSummary, private: int, protocol: str) -> str:
    published = [p for p in container.get("Ports") or () if p.get("PublicPort")]
    for entry in published:
        if entry["PrivatePort"] == private and entry.get("Type", "tcp") == protocol:
            return f"{bracketed(entry.get('IP') or '0.0.0.0')}:{entry['PublicPort']}"
    known = ", ".join(sorted({f"{p['PrivatePort']}/{p.get('Type', 'tcp')}" for p in published})) or "none"
    raise NotFound(f"no port {private}/{protocol} is published for container {name_of(container)}; published: {known}")
