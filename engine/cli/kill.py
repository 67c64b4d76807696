"""`rorqual kill`."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.lifecycle import Services, run_verb
from engine.cli.options import EngineOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions)
def kill(
    project: ProjectOptions,
    engine: EngineOptions,
    services: Services = None,
    signal: Annotated[str, typer.Option("--signal", "-s", help="The signal to send")] = "SIGKILL",
) -> None:
    """Send a signal to running containers. Example: rorqual kill -s SIGHUP web"""
    run_verb(project, engine, services, lambda life: life.kill(signal))
