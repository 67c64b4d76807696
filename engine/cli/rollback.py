"""`rorqual rollback`: back to a release that was good, from what the ledger keeps of it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import anyio
import typer

from engine.cli.back import Return, source_values, target
from engine.cli.connection import connected
from engine.cli.options import EngineOptions, LockOptions, ProjectOptions, with_options
from engine.cli.past import past, project_name
from engine.cli.turns import KEEP, Keep
from engine.cli.up import Yes
from engine.ledger.release import Key


@with_options(ProjectOptions, EngineOptions, LockOptions)
def rollback(
    project: ProjectOptions,
    engine: EngineOptions,
    lock: LockOptions,
    number: Annotated[
        int | None,
        typer.Argument(metavar="N", help="The release; without one, the last good one before the newest"),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when all is running and healthy")] = False,
    wait_timeout: Annotated[float | None, typer.Option("--wait-timeout", help="Seconds that --wait may take")] = None,
    yes: Yes = False,
    keep: Keep = KEEP,
) -> None:
    """Return to a release, without network or source tree. Example: rorqual rollback 3"""

    async def run() -> int:
        with past() as ledger:
            name = project_name(project, ledger)
            async with connected(engine, announce=True, project=name) as client:
                key = Key((await client.capabilities()).engine_id, name)
                release = ledger.release(key, target(ledger, key) if number is None else number)
                back = Return(client, ledger, release, engine)
                await back.prepare(partial(source_values, project))
                report = await back.converge(lock, keep, yes=yes, wait=wait, wait_seconds=wait_timeout)
                return 0 if report.ok else 1

    raise typer.Exit(anyio.run(run))
