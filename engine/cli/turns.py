"""The turn of a command that writes: its flags, and the words that it says while it waits (reconcile.turn)."""

from __future__ import annotations

import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import LockOptions
from engine.plan.options import PlanOptions
from engine.reconcile.contents import state_directory

if TYPE_CHECKING:
    from engine.cli.converge import Convergence
    from engine.ledger.release import Release
    from engine.reconcile.turn import Turn

Keep = Annotated[
    int, typer.Option("--keep", min=1, help="How many good releases stay in the history, with their images")
]
KEEP = 10


@asynccontextmanager
async def writing(
    work: Convergence,
    lock: LockOptions,
    *,
    kind: str | None = None,
    options: PlanOptions | None = None,
    keep: int = KEEP,
    source: Release | None = None,
) -> AsyncIterator[Turn]:
    """Whatever `work` applies within is written under the project's lock, and with a `kind` it is one release."""
    # late: what a lock and a release need, an empty plan doesn't
    from engine.reconcile.lock import LockTerms
    from engine.reconcile.turn import Turn, one_turn

    folder = state_directory(work.environment)
    terms = LockTerms(lock.lock_timeout, lock.break_lock)
    turn = Turn(work.engine, work.project.name, command_line(), terms, folder, say)
    if kind is not None:
        from engine.ledger.release import FOLDER
        from engine.reconcile.recording import Recorder, Terms

        kept = Terms(folder / FOLDER, command_line(), keep, say)
        asked = (options or PlanOptions())._replace(separator=work.separator)
        turn.recorder = Recorder(work.engine, work.project, work.sealer, kept, kind, asked, source)
    async with one_turn(turn):
        work.turn = turn
        try:
            yield turn
        finally:
            work.turn = None


def command_line() -> str:
    """As it was typed. No flag of a command that writes takes a secret."""
    return shlex.join(["rorqual", *sys.argv[1:]])


def say(text: str) -> None:
    print(f"rorqual: {text}", file=sys.stderr)
