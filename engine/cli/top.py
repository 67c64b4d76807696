"""`rorqual top`: the processes in the project's containers."""

from __future__ import annotations

from typing import Any

import anyio

from engine.api.containers import ContainerSummary
from engine.api.errors import Conflict, NotFound
from engine.cli.connection import connected
from engine.cli.members import ServiceNames, containers_of, named_project, number_of, service_of
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.render.listing import show
from engine.cli.render.table import render_table, terminal_width
from engine.client.session import EngineReader


@with_options(ProjectOptions, EngineOptions)
def top(project: ProjectOptions, engine: EngineOptions, services: ServiceNames = None) -> None:
    """Show the running processes. Example: rorqual top web"""
    named, wanted = named_project(project), tuple(services or ())
    named.check(wanted)

    async def run() -> list[tuple[ContainerSummary, Any]]:
        async with connected(engine, project=named.name) as client:
            return await tops(client, await containers_of(client, named.name, wanted))

    found = anyio.run(run)
    # engines and images differ in what their ps tells: every title, in the order of its first appearance
    titles = list(dict.fromkeys(title for _, processes in found for title in processes.get("Titles") or ()))
    rows = []
    for container, processes in found:
        for process in processes.get("Processes") or ():
            values = dict(zip(processes["Titles"], process, strict=False))
            head = [service_of(container), str(number_of(container))]
            rows.append([*head, *(values.get(title, "-") for title in titles)])
    if rows:
        show(render_table(["SERVICE", "#", *titles], rows, width=terminal_width()))


async def tops(engine: EngineReader, containers: list[ContainerSummary]) -> list[tuple[ContainerSummary, Any]]:
    """Asked of all side by side; one that stops meanwhile has no processes."""
    found: dict[str, Any] = {}

    async def look(id: str) -> None:
        try:
            found[id] = await engine.containers.top(id)
        except (Conflict, NotFound):
            return

    async with anyio.create_task_group() as tasks:
        for container in containers:
            tasks.start_soon(look, container["Id"])
    return [(container, found[container["Id"]]) for container in containers if container["Id"] in found]
