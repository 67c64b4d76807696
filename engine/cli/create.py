"""`rorqual create`: everything of `up` but the start."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.lifecycle import Services
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options
from engine.cli.turns import KEEP, Keep
from engine.cli.up import Scale, Yes, check_policies, converge_and_exit, scales
from engine.plan.options import PlanOptions


@with_options(ProjectOptions, EngineOptions, LockOptions)
def create(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    services: Services = None,
    build: Annotated[bool, typer.Option("--build", help="Build images before creating")] = False,
    no_build: Annotated[bool, typer.Option("--no-build", help="Build nothing, even if it is missing")] = False,
    pull: Annotated[str | None, typer.Option("--pull", help="always, missing or never")] = None,
    force_recreate: Annotated[bool, typer.Option("--force-recreate", help="Replace even what is equal")] = False,
    no_recreate: Annotated[bool, typer.Option("--no-recreate", help="Leave what exists as it is")] = False,
    remove_orphans: Annotated[bool, typer.Option("--remove-orphans", help="Remove what the file doesn't know")] = False,
    quiet_pull: Annotated[bool, typer.Option("--quiet-pull", help="Pull without progress")] = False,
    scale: Scale = None,
    yes: Yes = False,
    keep: Keep = KEEP,
) -> None:
    """Create containers, and start none. Example: rorqual create --build"""
    check_policies(pull, build=build, no_build=no_build, force_recreate=force_recreate, no_recreate=no_recreate)
    options = PlanOptions(
        services=tuple(services or ()),
        scale=scales(scale),
        start=False,
        build=True if build else False if no_build else None,
        pull=pull,
        force_recreate=force_recreate,
        recreate=not no_recreate,
        remove_orphans=remove_orphans,
    )
    converge_and_exit(
        project,
        engine,
        lock,
        options,
        yes=yes,
        quiet=frozenset({"pull"} if quiet_pull else ()),
        kind="create",
        keep=keep,
    )
