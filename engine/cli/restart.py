"""`rorqual restart`."""

from __future__ import annotations

from engine.cli.lifecycle import Grace, Services, run_verb
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options


@with_options(ProjectOptions, EngineOptions, LockOptions)
def restart(
    project: ProjectOptions, engine: EngineOptions, lock: LockOptions, services: Services = None, timeout: Grace = None
) -> None:
    """Stop and start containers, with nothing else changed. Example: rorqual restart web"""
    run_verb(project, engine, lock, services, lambda life: life.restart(timeout), must_exist=True)
