"""`rorqual watch`: the project up, and its containers kept in step with the files as they change."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from engine.cli.attached import beside_output
from engine.cli.connection import connected
from engine.cli.converge import convergence
from engine.cli.members import ServiceNames
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options
from engine.cli.project import load_project
from engine.cli.turns import writing
from engine.cli.watcher import Watcher
from engine.plan.options import PlanOptions
from engine.plan.order import select


@with_options(ProjectOptions, EngineOptions, LockOptions)
def watch(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    services: ServiceNames = None,
    no_up: Annotated[bool, typer.Option("--no-up", help="Build and start nothing first")] = False,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Remove the image that a rebuild has replaced")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", help="Without the build's output")] = False,
) -> None:
    """Sync, rebuild or restart as files change (develop.watch). Example: rorqual watch web"""
    loaded = load_project(project, tuple(services or ()), only_services=False)

    async def run() -> int:
        async with connected(engine, announce=True, project=loaded.name) as client:
            work = convergence(client, loaded, project, engine, frozenset({"build"} if quiet else ()))
            keys = tuple(select(work.project, services or (), deps=False))
            watcher = Watcher(beside_output(work), keys, lock, prune)
            # before anything is started: where there is nothing to watch, nothing is wanted
            rules = watcher.checked_rules()
            if not no_up:
                options = PlanOptions(services=tuple(services or ()), build=True)
                async with writing(work, lock, kind="up", options=options):
                    report = await work.converge(options)
                if not report.ok:
                    return 1
            if engine.dry_run:
                for rule in rules:
                    print(f"would watch {rule.path} for {rule.service}: {rule.action}")
                return 0
            await watcher.run()
            return 0

    raise typer.Exit(anyio.run(run))
