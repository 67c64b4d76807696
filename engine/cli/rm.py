"""`rorqual rm`: remove stopped containers."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from engine.cli.lifecycle import Services, run_verb
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options
from engine.plan.lifecycle import Lifecycle
from engine.plan.steps import Plan


@with_options(ProjectOptions, EngineOptions, LockOptions)
def rm(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    services: Services = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Don't ask")] = False,
    stop: Annotated[bool, typer.Option("--stop", "-s", help="Stop running ones first, and remove them too")] = False,
    volumes: Annotated[bool, typer.Option("--volumes", "-v", help="Also remove their anonymous volumes")] = False,
) -> None:
    """Remove stopped containers of the services. Example: rorqual rm -fsv job"""

    def removal(life: Lifecycle) -> Plan:
        plan = life.remove(running=stop, volumes=volumes, stop_seconds=None)
        if not plan.empty and not force and not engine.dry_run:
            names = ", ".join(str(step.address) for step in plan.steps)
            if not sys.stdin.isatty():
                raise typer.BadParameter(f"this would remove {names}: say --force to do so without a terminal")
            if not typer.confirm(f"Remove {names}?", err=True):
                raise typer.Exit(1)
        return plan

    run_verb(project, engine, lock, services, removal)
