"""`rorqual wait`: until the services' containers have stopped; their exit code becomes ours."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from engine.api.errors import NotFound
from engine.cli.connection import connected
from engine.cli.exitcodes import ERROR
from engine.cli.members import containers_of, name_of, named_project
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options
from engine.client.session import Engine


@with_options(ProjectOptions, EngineOptions)
def wait(
    project: ProjectOptions,
    engine: EngineOptions,
    services: Annotated[list[str], typer.Argument(help="Services")],
    down_project: Annotated[
        bool, typer.Option("--down-project", help="Take the project down when the first container stops")
    ] = False,
) -> None:
    """Wait until containers stop, and exit with the code of the first that does. Example: rorqual wait job"""
    named = named_project(project)
    named.check(services)

    async def run() -> int:
        async with connected(engine, project=named.name) as client:
            code = await exit_code(client, named.name, services, only_first=down_project)
            down = await take_down(client, project, engine) if down_project else True
            return code if down else ERROR

    raise typer.Exit(anyio.run(run))


async def take_down(client: Engine, project: ProjectOptions, engine: EngineOptions) -> bool:
    """A `down` as any other, under the lock and in the history; False when something of it failed."""
    # late: only --down-project needs the language and the planner
    from engine.cli.converge import convergence
    from engine.cli.project import load_project
    from engine.cli.turns import writing
    from engine.plan.down import DownOptions, make_down_plan

    work = convergence(client, load_project(project), project, engine)
    options = DownOptions(separator=work.separator)
    async with writing(work, LockOptions(), kind="down"):
        report = await work.apply_planned(
            lambda now: make_down_plan(work.project.name, work.project, now, options), await work.observe()
        )
    return report.ok


async def exit_code(engine: Engine, name: str, services: list[str], *, only_first: bool) -> int:
    """Say of each container that it ended, and how; the code of the first, or with several the first that isn't 0.

    One that has ended already counts as it is.
    """
    containers = await containers_of(engine, name, services, all=True)
    if not containers:
        raise NotFound(f"no container of {', '.join(services)} exists")
    codes: list[int] = []

    async def watch(id: str, name: str, scope: anyio.CancelScope) -> None:
        code = await engine.containers.wait(id)
        codes.append(code)
        print(f'container "{name}" exited with status code {code}', flush=True)
        if only_first:
            scope.cancel()

    async with anyio.create_task_group() as tasks:
        for container in containers:
            tasks.start_soon(watch, container["Id"], name_of(container), tasks.cancel_scope)
    return next((code for code in codes if code), 0) if not only_first else codes[0]
