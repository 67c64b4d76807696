"""`rorqual pause`."""

from __future__ import annotations

from engine.cli.lifecycle import Services, run_verb
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions, LockOptions)
def pause(project: ProjectOptions, engine: EngineOptions, lock: LockOptions, services: Services = None) -> None:
    """Freeze running containers. Example: rorqual pause web"""
    run_verb(project, engine, lock, services, lambda life: life.pause())
