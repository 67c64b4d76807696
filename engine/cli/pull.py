"""`rorqual pull`: pull the images that the services run."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import anyio
import typer

from engine.cli.connection import connected
from engine.cli.converge import convergence
from engine.cli.imageplans import ImagePlan
from engine.cli.members import ServiceNames
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.project import load_project
from engine.plan.order import select


@with_options(ProjectOptions, EngineOptions)
def pull(
    project: ProjectOptions,
    engine: EngineOptions,
    services: ServiceNames = None,
    ignore_buildable: Annotated[
        bool, typer.Option("--ignore-buildable", help="Leave out images that can be built here")
    ] = False,
    ignore_pull_failures: Annotated[
        bool, typer.Option("--ignore-pull-failures", help="Pull what can be, and exit with 0")
    ] = False,
    include_deps: Annotated[bool, typer.Option("--include-deps", help="What the services depend on, too")] = False,
    policy: Annotated[str | None, typer.Option("--policy", help="missing or always")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Without progress")] = False,
) -> None:
    """Pull the services' images. Example: rorqual pull --policy missing"""
    if policy not in {None, "missing", "always"}:
        raise typer.BadParameter(f'--policy takes missing or always, not "{policy}"')
    loaded = load_project(project, tuple(services or ()), only_services=False)
    shown = replace(engine, progress="quiet") if quiet else engine

    async def run() -> int:
        async with connected(shown, announce=True, project=loaded.name) as client:
            work = convergence(client, loaded, project, shown)
            plan = ImagePlan(work.project, await work.observe(), work.separator)
            for key in select(work.project, services or (), deps=include_deps):
                plan.pull_service(key, policy=policy, buildable=not ignore_buildable)
            for note in plan.notes if not quiet else ():
                print(note, file=sys.stderr)
            report = await work.apply(plan.finished())
            left = [o for o in report.failed if o.step.id in plan.optional]
            for outcome in left:
                print(f"{outcome.step.address} can be built: `rorqual build` makes it", file=sys.stderr)
            failed = len(report.failed) > len(left) or bool(report.skipped)
            return 1 if failed and not ignore_pull_failures else 0

    raise typer.Exit(anyio.run(run))
