"""`rorqual scale SERVICE=N`."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options
from engine.cli.turns import KEEP, Keep
from engine.cli.up import converge_and_exit, scales
from engine.plan.options import PlanOptions


@with_options(ProjectOptions, EngineOptions, LockOptions)
def scale(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    replicas: Annotated[list[str], typer.Argument(help="SERVICE=N, one or more")],
    no_deps: Annotated[bool, typer.Option("--no-deps", help="Leave out what the services depend on")] = False,
    keep: Keep = KEEP,
) -> None:
    """Set how many containers services have; what runs stays as it is. Example: rorqual scale web=3"""
    wanted = scales(replicas)
    options = PlanOptions(services=tuple(wanted), scale=wanted, deps=not no_deps, recreate=False)
    converge_and_exit(project, engine, lock, options, kind="scale", keep=keep)
