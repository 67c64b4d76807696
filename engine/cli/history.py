"""`rorqual history`: the releases of a project on this engine, as this machine made them."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import anyio
import typer

from engine.cli.members import check_name
from engine.cli.moments import local_time
from engine.cli.options import EngineOptions, ProjectOptions, with_options
from engine.cli.past import key_of, ledger_path, past, project_name
from engine.cli.render.listing import listing, show
from engine.kit.files import is_there
from engine.ledger.release import Summary

COLUMNS = {
    "Release": "RELEASE",
    "When": "WHEN",
    "What": "WHAT",
    "State": "STATE",
    "By": "BY",
    "Commit": "COMMIT",
    "Steps": "STEPS",
    "Reason": "REASON",
}
FIELDS = ("Seconds", "Command", "Subject")


@with_options(ProjectOptions, EngineOptions)
def history(
    project: ProjectOptions,
    engine: EngineOptions,
    format: Annotated[str, typer.Option("--format", help="table, json, a template or table TEMPLATE")] = "table",
    where: Annotated[bool, typer.Option("--where", help="Print where the history lies, and nothing else")] = False,
) -> None:
    """List the project's releases, newest first. Example: rorqual history"""
    if where:
        print(ledger_path())
        return
    check_name(project)
    if not is_there(ledger_path()):
        print(f"nothing was released from here yet: there is no {ledger_path()}", file=sys.stderr)
        show(listing([], COLUMNS, format, fields=FIELDS))
        return
    with past() as ledger:
        name = project_name(project, ledger)
        found = ledger.history(anyio.run(key_of, engine, name, ledger))
    show(listing([row_of(summary) for summary in found], COLUMNS, format, fields=FIELDS))


def row_of(summary: Summary) -> dict[str, Any]:
    seconds = None if summary.ended is None else round(summary.ended - summary.began, 1)
    return {
        "Release": summary.number,
        "When": local_time(summary.began),
        "What": f"rollback to {summary.source}" if summary.source is not None else summary.kind,
        "State": str(summary.state),
        "By": summary.user,
        "Commit": str(summary.commit or ""),
        "Steps": summary.steps,
        "Reason": summary.reason,
        "Seconds": seconds,
        "Command": summary.command,
        "Subject": summary.commit.subject if summary.commit else "",
    }
