"""`rorqual diff`: desired against live, fields only."""

from __future__ import annotations

import json
from typing import Annotated, NoReturn

import anyio
import typer

from engine.api.errors import EngineError
from engine.cli.connection import connected
from engine.cli.converge import honouring
from engine.cli.exitcodes import DIFFERS, NO_ANSWER, SAME
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.project import load_project
from engine.plan.options import PlanOptions
from engine.plan.render.difference import Difference, differences, differences_document, render_differences
from engine.plan.steps import Plan
from specs.source import SpecInvalid


@with_options(ProjectOptions, EngineOptions)
def diff(
    project: ProjectOptions,
    engine: EngineOptions,
    services: Annotated[
        list[str] | None, typer.Argument(help="Services, all where none is named; or two releases", show_default=False)
    ] = None,
    format: Annotated[str, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Show which fields differ, host from file or release from release; 1 when any does. Example: rorqual diff 2 3"""
    if format not in {"text", "json"}:
        raise typer.BadParameter(f'--format takes text or json, not "{format}"')
    numbers = [int(word) for word in services or () if word.isdigit()]
    if len(numbers) == 2 == len(services or ()):
        between_releases(project, engine, numbers, format)
    options = PlanOptions(services=tuple(services or ()), unseen=True)

    async def run() -> Plan:
        loaded = load_project(project, options.services, only_services=False)
        async with connected(engine, project=loaded.name) as client:
            work = await honouring(client, loaded, project, engine)
            return work.plan(options, await work.observe())

    try:
        plan = anyio.run(run)
    except (EngineError, SpecInvalid, OSError) as error:
        no_answer(error)
    answer(plan.project, differences(plan), format)


def between_releases(project: ProjectOptions, engine: EngineOptions, numbers: list[int], format: str) -> NoReturn:
    # late: only who asks for releases needs the ledger
    from engine.cli.past import key_of, past, project_name
    from engine.ledger.compare import compare

    try:
        with past() as ledger:
            name = project_name(project, ledger)
            key = anyio.run(key_of, engine, name, ledger)
            old, new = (ledger.release(key, number) for number in numbers)
    except (EngineError, SpecInvalid, OSError) as error:
        no_answer(error)
    answer(name, compare(old, new), format)


def answer(name: str, found: list[Difference], format: str) -> NoReturn:
    if format == "json":
        print(json.dumps(differences_document(name, found), indent=2, ensure_ascii=False))
    elif found:
        print(render_differences(found))
    raise typer.Exit(DIFFERS if found else SAME)


def no_answer(error: BaseException) -> NoReturn:
    # late: only a fault is explained here, since here it isn't 1 but 2
    from engine.cli.main import explain

    explain(error)
    raise typer.Exit(NO_ANSWER) from error
