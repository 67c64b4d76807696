"""`rorqual kill`."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.lifecycle import Services, run_verb
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions, LockOptions)
def kill(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    services: Services = None,
    remove_orphans: Annotated[
        bool, typer.Option("--remove-orphans", help="Also containers that no service of the file made")
    ] = False,
    signal: Annotated[str, typer.Option("--signal", "-s", help="The signal to send")] = "SIGKILL",
) -> None:
    """Send a signal to running containers. Example: rorqual kill -s SIGHUP web"""
    run_verb(project, engine, lock, services, lambda life: life.kill(signal, orphans=remove_orphans))
