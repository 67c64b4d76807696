"""`rorqual start`."""

from __future__ import annotations

from engine.cli.lifecycle import Services, run_verb
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions, LockOptions)
def start(project: ProjectOptions, engine: EngineOptions, lock: LockOptions, services: Services = None) -> None:
    """Start containers that exist, what they depend on first. Example: rorqual start web"""
    run_verb(project, engine, lock, services, lambda life: life.start(), must_exist=True)
