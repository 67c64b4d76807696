"""`rorqual stop`."""

from __future__ import annotations

from engine.cli.lifecycle import Grace, Services, run_verb
from engine.cli.options import EngineOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions)
def stop(project: ProjectOptions, engine: EngineOptions, services: Services = None, timeout: Grace = None) -> None:
    """Stop running containers, dependents first, and keep them. Example: rorqual stop -t 5 web"""
    run_verb(project, engine, services, lambda life: life.stop(timeout))
