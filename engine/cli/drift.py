"""`rorqual drift`: what others changed on the host, three ways: last applied, live, desired."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import anyio
import typer

from engine.api.errors import EngineError
from engine.cli.connection import connected
from engine.cli.converge import Convergence, honouring
from engine.cli.digests import moved_to, parse
from engine.cli.exitcodes import DIFFERS, NO_ANSWER, SAME
from engine.cli.lifecycle import Services
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.project import load_project
from engine.graph.address import Address, Kind
from engine.plan.drift import Drift, drift_of
from engine.plan.lower.naming import Naming
from engine.plan.options import PlanOptions
from engine.plan.order import select
from engine.plan.render.drift import drift_document, render_markdown, render_text
from engine.reconcile.drift import Asking
from specs.source import SpecInvalid

FORMATS = ("text", "json", "markdown")


@with_options(ProjectOptions, EngineOptions)
def drift(
    project: ProjectOptions,
    engine: EngineOptions,
    services: Services = None,
    format: Annotated[str, typer.Option("--format", help="text, json or markdown")] = "text",
    no_registry: Annotated[
        bool, typer.Option("--no-registry", help="Don't ask registries for tags that moved")
    ] = False,
) -> None:
    """Show what was changed on the host, and by how much; exit 1 when anything was. Example: rorqual drift web"""
    if format not in FORMATS:
        raise typer.BadParameter(f'--format takes {", ".join(FORMATS)}, not "{format}"')
    options = PlanOptions(services=tuple(services or ()), unseen=True)

    async def run() -> tuple[str, list[Drift]]:
        loaded = load_project(project, options.services, only_services=False)
        async with connected(engine, project=loaded.name) as client:
            work = await honouring(client, loaded, project, engine)
            return work.project.name, await found_by(work, options, ask_registries=not no_registry)

    try:
        name, found = anyio.run(run)
    except (EngineError, SpecInvalid, OSError) as error:
        # late: only a fault is explained here, since here it isn't 1 but 2
        from engine.cli.main import explain

        explain(error)
        raise typer.Exit(NO_ANSWER) from error
    match format:
        case "json":
            print(json.dumps(drift_document(name, found), indent=2, ensure_ascii=False))
        case "markdown":
            print(render_markdown(name, found))
        case _:
            print(render_text(name, found))
    raise typer.Exit(DIFFERS if found else SAME)


async def found_by(work: Convergence, options: PlanOptions, *, ask_registries: bool) -> list[Drift]:
    observed = await work.observe()
    remembered = options._replace(applied=work.last_applied(observed))
    plan = work.plan(remembered, observed)
    options = work.completed(remembered, observed)
    found = drift_of(work.project, observed, options, plan)

    async def moved(reference: str, known: list[str], image_id: str) -> str | None:
        return await moved_to(work.engine, parse(reference), known, image_id)

    asking, naming = Asking(work.engine.reader, moved), Naming(work.project.name, work.separator)
    await asking.names(plan, options, observed)
    if ask_registries:
        wanted = [
            (Address(Kind.SERVICE, key), naming.image(work.project, service, key))
            for key in select(work.project, options.services, deps=options.deps)
            if (service := work.project.services[key]).build is None
        ]
        await asking.tags(wanted, observed)
    for text in asking.unknown:
        print(f"rorqual: whether a tag has moved is not known: {text}", file=sys.stderr)
    return [*found, *asking.found]
