"""`rorqual show N`: one release, whole: its plan and reasons, what became of each step, what ran."""

from __future__ import annotations

import json
from typing import Annotated

import anyio
import typer

from engine.cli.moments import local_time
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.past import past, release_of
from engine.cli.render.release import render_release
from engine.ledger.document import release_document


@with_options(ProjectOptions, EngineOptions)
def show(
    project: ProjectOptions,
    engine: EngineOptions,
    number: Annotated[
        int | None, typer.Argument(metavar="N", help="The release, as `rorqual history` numbers them; else the newest")
    ] = None,
    format: Annotated[
        str, typer.Option("--format", help="text, or json: for `plan --against`, without a sensitive value in it")
    ] = "text",
) -> None:
    """Show one release: plan, reasons, outcome, images. Example: rorqual show 3 --format json > release.json"""
    if format not in {"text", "json"}:
        raise typer.BadParameter(f'--format takes text or json, not "{format}"')
    with past() as ledger:
        release = anyio.run(release_of, project, engine, ledger, number)
    if format == "json":
        print(json.dumps(release_document(release), indent=2, ensure_ascii=False))
    else:
        print(render_release(release, local_time(release.began)))
