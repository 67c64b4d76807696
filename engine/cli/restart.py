"""`rorqual restart`."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.lifecycle import Grace, Services, run_verb
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions, LockOptions)
def restart(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    services: Services = None,
    no_deps: Annotated[
        bool, typer.Option("--no-deps", help="Leave those alone that depend on the services with restart: true")
    ] = False,
    timeout: Grace = None,
) -> None:
    """Stop and start containers, with nothing else changed. Example: rorqual restart web"""
    run_verb(
        project, engine, lock, services, lambda life: life.restart(timeout, dependents=not no_deps), must_exist=True
    )
