"""`rorqual diff`: desired against live, fields only."""

from __future__ import annotations

import json
from typing import Annotated

import anyio
import typer

from engine.api.errors import EngineError
from engine.cli.connection import connected
from engine.cli.converge import honouring
from engine.cli.exitcodes import DIFFERS, NO_ANSWER, SAME
from engine.cli.lifecycle import Services
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.project import load_project
from engine.plan.options import PlanOptions
from engine.plan.render.difference import differences, differences_document, render_differences
from engine.plan.steps import Plan
from specs.source import SpecInvalid


@with_options(ProjectOptions, EngineOptions)
def diff(
    project: ProjectOptions,
    engine: EngineOptions,
    services: Services = None,
    format: Annotated[str, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Show which fields of the host differ from the file; exit 1 when any does. Example: rorqual diff web"""
    if format not in {"text", "json"}:
        raise typer.BadParameter(f'--format takes text or json, not "{format}"')
    options = PlanOptions(services=tuple(services or ()))

    async def run() -> Plan:
        loaded = load_project(project, options.services, only_services=False)
        async with connected(engine, project=loaded.name) as client:
            work = await honouring(client, loaded, project, engine)
            return work.plan(options, await work.observe())

    try:
        plan = anyio.run(run)
    except (EngineError, SpecInvalid, OSError) as error:
        # late: only a fault is explained here, since here it isn't 1 but 2
        from engine.cli.main import explain

        explain(error)
        raise typer.Exit(NO_ANSWER) from error
    found = differences(plan)
    if format == "json":
        print(json.dumps(differences_document(plan.project, found), indent=2, ensure_ascii=False))
    elif found:
        print(render_differences(found))
    raise typer.Exit(DIFFERS if found else SAME)
