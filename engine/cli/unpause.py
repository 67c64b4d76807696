"""`rorqual unpause`."""

from __future__ import annotations

from engine.cli.lifecycle import Services, run_verb
from engine.cli.options import EngineOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions)
def unpause(project: ProjectOptions, engine: EngineOptions, services: Services = None) -> None:
    """Let frozen containers go on. Example: rorqual unpause web"""
    run_verb(project, engine, services, lambda life: life.unpause())
