"""`rorqual up --watch-source`: the agent's loop for one project in the foreground, its settings made from the flags."""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import anyio
import typer

from engine.cli.agent import keep
from engine.cli.connection import target_of
from engine.cli.options import EngineOptions, ProjectOptions
from engine.cli.project import load_project
from engine.gitops.settings.models import EngineChoice, Policy, ProjectSettings, Settings, SourceSettings
from engine.reconcile.contents import state_directory

SOURCE = "folder"


def stay_with_source(project: ProjectOptions, engine: EngineOptions) -> NoReturn:
    """Converge now, whenever a file of the project changes and whenever the host drifts; until Ctrl-C, which leaves the
    containers running.
    """
    if "-" in (project.file or ()):
        raise typer.BadParameter("--watch-source can't be combined with -f -: standard input doesn't change")
    loaded = load_project(project, only_services=False)
    assert loaded.project is not None  # load_project raises where there is none
    folder = Path(loaded.project.working_dir)
    target = target_of(engine)
    choice = EngineChoice(context=engine.context) if engine.context else EngineChoice(host=target.address)
    policy = Policy(
        engine=choice,
        profiles=tuple(project.profile or ()),
        env_files=tuple(os.path.abspath(each) for each in project.env_file or ()),
        environment=dict(os.environ),
        interval_seconds=30.0,
        heals_per_hour=60,
    )
    item = ProjectSettings(loaded.name, ".", policy, tuple(loaded.files), loaded.name, str(folder))
    source = SourceSettings(SOURCE, directory=folder, interval_seconds=30.0, projects=(item,))
    print(f"following {folder}; Ctrl-C ends it and leaves the containers running", file=sys.stderr)
    anyio.run(keep, Settings(folder, (source,), state=state_of(folder, loaded.name)), "text")
    raise typer.Exit(0)


def state_of(folder: Path, name: str) -> Path:
    """A state of its own for each project that is followed so."""
    place = sha256(f"{folder}\0{name}".encode()).hexdigest()[:16]
    return state_directory(os.environ) / "watch-source" / place
