"""`rorqual down`: remove what the project's files made."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from engine.cli.connection import connected
from engine.cli.labelled import found
from engine.cli.lifecycle import Grace
from engine.cli.members import project_or_name
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options
from engine.cli.project import load_project
from engine.cli.turns import KEEP, Keep, writing
from engine.plan.down import DownOptions, make_down_plan
from engine.plan.make import orphans


@with_options(ProjectOptions, EngineOptions, LockOptions)
def down(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    services: Annotated[list[str] | None, typer.Argument(help="Only these services", show_default=False)] = None,
    volumes: Annotated[bool, typer.Option("--volumes", "-v", help="Also remove named and anonymous volumes")] = False,
    rmi: Annotated[str | None, typer.Option("--rmi", help="Also remove images: local or all")] = None,
    remove_orphans: Annotated[
        bool,
        typer.Option("--remove-orphans", envvar="COMPOSE_REMOVE_ORPHANS", help="Remove what no service made"),
    ] = False,
    timeout: Grace = None,
    keep: Keep = KEEP,
) -> None:
    """Stop and remove containers and networks; volumes only with -v. Example: rorqual down -v

    Whatever else hangs on the project's networks is detached from them, and kept.
    """
    if rmi not in {None, "local", "all"}:
        raise typer.BadParameter(f'--rmi takes local or all, not "{rmi}"')
    # only the file says which images are whose
    loaded, name = project_or_name(project)
    if rmi and loaded is None:
        loaded = load_project(project)

    async def run() -> int:
        async with connected(engine, announce=True, project=name) as client:
            work, observed = await found(client, loaded, name, project, engine)
            if rmi:
                observed = await work.observe()
            known = {*work.project.services, *work.project.disabled_services, *(c.service for c in observed.containers)}
            if unknown := [key for key in services or () if key not in known]:
                typer.echo(f"rorqual: no such service: {', '.join(unknown)}", err=True)
                return 1
            options = DownOptions(tuple(services or ()), volumes, rmi, remove_orphans, timeout, work.separator)
            left = [] if remove_orphans or services else orphans(work.project, observed)
            if left:
                names = ", ".join(sorted(c.name for c in left))
                typer.echo(f"left standing: {names}, which no service of the spec made (--remove-orphans)", err=True)
            async with writing(work, lock, kind="down", keep=keep):
                report = await work.apply_planned(
                    lambda now: make_down_plan(work.project.name, work.project, now, options), observed
                )
            return 0 if report.ok else 1

    raise typer.Exit(anyio.run(run))
