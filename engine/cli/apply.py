"""`rorqual apply FILE`: do exactly what a saved plan says, or refuse because the host has moved since."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import anyio
import typer

from engine.cli.connection import connected
from engine.cli.converge import Convergence
from engine.cli.exitcodes import DONE, ERROR, STALE
from engine.cli.options import EngineOptions, LockOptions, with_options
from engine.cli.past import ledger_folder
from engine.cli.turns import KEEP, Keep, writing
from engine.ledger.vault import Vault
from engine.reconcile.saved import read_plan


@with_options(EngineOptions, LockOptions)
def apply(
    engine: EngineOptions,
    lock: LockOptions,
    plan: Annotated[Path, typer.Argument(help="A file that `rorqual plan --out` wrote")],
    keep: Keep = KEEP,
) -> None:
    """Apply a saved plan, or refuse it with exit code 4 when it is stale. Example: rorqual apply shop.plan"""
    saved = read_plan(plan, Vault(ledger_folder()))

    async def run() -> int:
        async with connected(engine, announce=True, project=saved.project.name) as client:
            work = Convergence(client, saved.project, saved.options.separator, engine_options=engine)
            async with writing(work, lock, kind="apply", options=saved.options, keep=keep):
                observed = await work.observe()
                now = work.plan(saved.options, observed)
                if saved.is_still(now) and await work.take(now, observed):
                    now = work.plan(saved.options, await work.observe())
                if not saved.is_still(now):
                    words = "is stale: the host or its files have changed since; plan again"
                    typer.echo(f"rorqual: {plan} {words}", err=True)
                    return STALE
                return DONE if (await work.apply(now)).ok else ERROR

    raise typer.Exit(anyio.run(run))
