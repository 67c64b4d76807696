"""What the plain verbs share: load, connect, observe, plan the verb, apply it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import anyio
import typer

from engine.cli.connection import connected
from engine.cli.labelled import found
from engine.cli.members import project_or_name
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions
from engine.cli.turns import writing
from engine.plan.lifecycle import Lifecycle
from engine.plan.steps import Plan

Services = Annotated[list[str] | None, typer.Argument(help="Services; all where none is named", show_default=False)]
Grace = Annotated[float | None, typer.Option("--timeout", "-t", help="Seconds until it is killed")]


def run_verb(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    services: Sequence[str] | None,
    verb: Callable[[Lifecycle], Plan],
    *,
    must_exist: bool = False,
) -> None:
    """Plan `verb` over the services' containers and apply it; exit 1 when something failed.

    With `-p` and no `-f` the containers' labels say what there is, and in which order.
    `must_exist` makes a named service without a container an error.
    """
    loaded, name = project_or_name(project, tuple(services or ()), only_services=False)

    async def run() -> int:
        async with connected(engine, announce=True, project=name) as client:
            work, observed = await found(client, loaded, name, project, engine)
            life = Lifecycle(work.project, observed, tuple(services or ()))
            missing = [key for key in life.keys if not life.containers(key)]
            if must_exist and missing and (services or len(missing) == len(life.keys)):
                names = ", ".join(missing)
                typer.echo(f"rorqual: no container of {names} exists yet: `rorqual up` makes it", err=True)
                return 1
            async with writing(work, lock):
                report = await work.apply_planned(
                    lambda now: verb(Lifecycle(work.project, now, tuple(services or ()))), observed
                )
            return 0 if report.ok else 1

    raise typer.Exit(anyio.run(run))
