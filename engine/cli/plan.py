"""`rorqual plan`: what `up` would change, field by field, and why; to read, to review, or to keep for `apply`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import anyio
import typer

from engine.api.errors import InvalidArgument
from engine.cli.connection import connected
from engine.cli.converge import honouring, tell_unhonoured
from engine.cli.exitcodes import PENDING
from engine.cli.lifecycle import Services
from engine.cli.options import PULLS, EngineOptions, ProjectOptions, one_of, with_options
from engine.cli.past import ledger_folder
from engine.cli.project import load_project
from engine.cli.render.colour import wants_colour
from engine.cli.up import Scale, scales
from engine.client.session import Engine
from engine.ledger.vault import Vault
from engine.plan.options import PlanOptions
from engine.plan.render.document import plan_document
from engine.plan.render.markdown import render_markdown
from engine.plan.render.text import render_text
from engine.plan.steps import Plan, RunProvider
from engine.reconcile.pins import lock_file, pinned
from engine.reconcile.saved import write_plan
from specs.load import Loaded
from specs.source import Diagnostic

FORMATS = ("text", "json", "markdown")


def rendered(plan: Plan, format: str, ansi: str) -> str:
    match format:
        case "json":
            return json.dumps(plan_document(plan), indent=2, ensure_ascii=False)
        case "markdown":
            return render_markdown(plan)
        case _:
            return render_text(plan, colour=wants_colour(sys.stdout, ansi))


@with_options(ProjectOptions, EngineOptions)
def plan(
    project: ProjectOptions,
    engine: EngineOptions,
    services: Services = None,
    format: Annotated[str, typer.Option("--format", help="text, json or markdown")] = "text",
    out: Annotated[Path | None, typer.Option("--out", help="Keep the plan in this file, for `rorqual apply`")] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Plan against an exported release (`rorqual show N --format json`)"),
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when changes are pending")
    ] = False,
    no_deps: Annotated[bool, typer.Option("--no-deps", help="Leave out what the services depend on")] = False,
    force_recreate: Annotated[bool, typer.Option("--force-recreate", help="Replace even what is equal")] = False,
    build: Annotated[bool, typer.Option("--build", help="Build images even if they are there")] = False,
    pull: Annotated[str | None, typer.Option("--pull", help="always, missing or never")] = None,
    remove_orphans: Annotated[bool, typer.Option("--remove-orphans", help="Remove what the file doesn't know")] = False,
    no_registry: Annotated[
        bool, typer.Option("--no-registry", help="Don't ask registries for tags that moved since `rorqual lock`")
    ] = False,
    scale: Scale = None,
    rerun: Annotated[list[str] | None, typer.Option("--rerun", help="Run this finished one-shot again")] = None,
) -> None:
    """Show what would change on the engine, and why. Example: rorqual plan --detailed-exitcode"""
    if format not in FORMATS:
        raise typer.BadParameter(f'--format takes {", ".join(FORMATS)}, not "{format}"')
    one_of("--pull", pull, PULLS)
    options = PlanOptions(
        services=tuple(services or ()),
        scale=scales(scale),
        deps=not no_deps,
        build=True if build else None,
        pull=pull,
        force_recreate=force_recreate,
        remove_orphans=remove_orphans,
        rerun=frozenset(rerun or ()),
    )
    loaded = load_project(project, options.services, only_services=False)

    if against is not None and out is not None:
        raise typer.BadParameter("--out keeps a plan for a host, and --against reaches none")

    async def moved(client: Engine) -> list[Diagnostic]:
        assert loaded.project is not None
        if no_registry or not lock_file(loaded.project).exists():
            return []
        # late: only a project with a lock file asks for its tags
        from engine.cli.lock import tags_moved

        return await tags_moved(client, loaded.project)

    async def run() -> Plan:
        async with connected(engine, project=loaded.name) as client:
            work = await honouring(client, loaded, project, engine)
            found = work.plan(options, await work.observe())
            found = found._replace(warnings=(*found.warnings, *await moved(client)))
            if out is not None:
                if any(isinstance(step.action, RunProvider) for step in found.steps):
                    text = "a plan of a project with providers can't be kept: what they answer is known only at `up`"
                    raise InvalidArgument(text)
                asked, vault = options._replace(separator=work.separator), Vault(ledger_folder())
                write_plan(out, work.project, asked, found, sealer=work.sealer, vault=vault)
            return found

    found = anyio.run(run) if against is None else plan_beside(loaded, project, options, against)
    print(rendered(found, format, engine.ansi))
    if format == "text":
        for warning in found.warnings:
            print(warning, file=sys.stderr)
    if detailed_exitcode and found.pending:
        raise typer.Exit(PENDING)


def plan_beside(loaded: Loaded, project: ProjectOptions, options: PlanOptions, file: Path) -> Plan:
    """The plan where an exported release stands for the host."""
    # late: only pull requests plan against a file
    from engine.ledger.document import read_release
    from engine.reconcile.against import plan_against

    try:
        document = json.loads(file.read_bytes())
    except ValueError as error:
        raise InvalidArgument(f"{file} is no JSON: {error}") from error
    try:
        release = read_release(document)
    except InvalidArgument as error:
        raise InvalidArgument(f"{file}: {error.message}") from error
    known = release.intent.capabilities
    version = known.get("api_version")
    tell_unhonoured(loaded, known.get("engine", "docker"), (version[0], version[1]) if version else None, project)
    assert loaded.project is not None
    separator = "_" if project.compatibility else "-"
    return plan_against(release, pinned(loaded.project), options, os.environ, separator)
