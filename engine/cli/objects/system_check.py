"""`system check`: what is wrong in the embedded engine's state, and its mending."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from engine.cli.exitcodes import FINDINGS
from engine.cli.objects.group import reached
from engine.cli.options import EngineOptions, with_options
from engine.cli.render.template import to_json

if TYPE_CHECKING:
    from engine.api.system import CheckAnswer, CheckFinding


@with_options(EngineOptions)
def check(
    engine: EngineOptions,
    mend: Annotated[bool, typer.Option("--mend", help="Mend what can be mended, and check again")] = False,
    format: Annotated[str, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Look through the embedded engine's state for damage and leftovers. Example: rorqual system check --mend"""
    if format not in {"text", "json"}:
        raise typer.BadParameter(f'"{format}" is neither text nor json', param_hint="--format")

    async def run() -> CheckAnswer:
        async with reached(engine) as client:
            return await client.system.check(mend=mend)

    found = anyio.run(run)
    if format == "json":
        print(to_json(found))
    else:
        print(*lines(found, mend=mend), sep="\n")
    if found["Findings"]:
        if format == "text" and not mend and any(finding.get("Mendable") for finding in found["Findings"]):
            print("`rorqual system check --mend` mends what is marked ~", file=sys.stderr)
        raise typer.Exit(FINDINGS)


def lines(found: CheckAnswer, *, mend: bool) -> Iterator[str]:
    """`+` was mended, `~` can be, `!` is a person's; a last line that counts."""
    for finding in found["Mended"]:
        yield f"+ {told(finding)}"
    for finding in found["Findings"]:
        yield f"{'~' if finding['Mendable'] else '!'} {told(finding)}"
        yield f"    {finding['Remedy']}"
        if finding.get("Error"):
            yield f"    mending failed: {finding['Error']}"
    count = len(found["Findings"])
    left = "nothing wrong" if not count else f"{count} {'finding' if count == 1 else 'findings'}"
    if mend:
        yield f"{len(found['Mended'])} mended, {left}{' left' if count else ''}"
    else:
        yield left


def told(finding: CheckFinding) -> str:
    return f"{finding['Kind']} {finding['What']}: {finding['Fault']}"
