"""`rorqual stop`."""

from __future__ import annotations

from engine.cli.lifecycle import Grace, Services, run_verb
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions, LockOptions)
def stop(
    project: ProjectOptions, engine: EngineOptions, lock: LockOptions, services: Services = None, timeout: Grace = None
) -> None:
    """Stop running containers, dependents first, and keep them. Example: rorqual stop -t 5 web"""
    run_verb(project, engine, lock, services, lambda life: life.stop(timeout))
