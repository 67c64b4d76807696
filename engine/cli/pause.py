"""`rorqual pause`."""

from __future__ import annotations

from engine.cli.lifecycle import Services, run_verb
from engine.cli.options import EngineOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions)
def pause(project: ProjectOptions, engine: EngineOptions, services: Services = None) -> None:
    """Freeze running containers. Example: rorqual pause web"""
    run_verb(project, engine, services, lambda life: life.pause())
