"""`rorqual push`: push the images that the project builds."""

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
def push(
    project: ProjectOptions,
    engine: EngineOptions,
    services: ServiceNames = None,
    ignore_push_failures: Annotated[
        bool, typer.Option("--ignore-push-failures", help="Push what can be, and exit with 0")
    ] = False,
    include_deps: Annotated[bool, typer.Option("--include-deps", help="What the services depend on, too")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Without progress")] = False,
) -> None:
    """Push the services' images. Example: rorqual push web"""
    loaded = load_project(project, tuple(services or ()), only_services=False)
    shown = replace(engine, progress="quiet") if quiet else engine

    async def run() -> int:
        async with connected(shown, announce=True, project=loaded.name) as client:
            work = convergence(client, loaded, project, shown)
            plan = ImagePlan(work.project, await work.observe(), work.separator)
            for key in select(work.project, services or (), deps=include_deps):
                plan.push_service(key)
            for note in plan.notes if not quiet else ():
                print(note, file=sys.stderr)
            report = await work.apply(plan.finished())
            return 0 if report.ok or ignore_push_failures else 1

    raise typer.Exit(anyio.run(run))
