"""What the commands that look back share: the project's name, its history on the engine, and where that lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.api.errors import EngineError, NotFound, Unavailable
from engine.cli.connection import connected
from engine.cli.members import named_project
from engine.cli.options import EngineOptions, ProjectOptions
from engine.kit.files import is_there
from engine.ledger.release import FILE, FOLDER, Key, Release
from engine.reconcile.contents import state_directory
from specs.source import SpecInvalid

if TYPE_CHECKING:
    from engine.ledger.store import Ledger


def ledger_folder() -> Path:
    return state_directory(os.environ) / FOLDER


def ledger_path() -> Path:
    return ledger_folder() / FILE


@contextmanager
def past() -> Iterator[Ledger]:
    """This machine's ledger. Raises NotFound where none was ever written."""
    # late: SQLite costs 10 ms
    from engine.ledger.store import opened

    if not is_there(ledger_path()):
        raise NotFound(f"nothing was ever released from here: there is no {ledger_path()}")
    with opened(ledger_folder()) as ledger:
        yield ledger


def project_name(options: ProjectOptions, ledger: Ledger) -> str:
    """As the options or the file say; where the file is gone, the project that was released from this folder."""
    try:
        return named_project(options).name
    except (SpecInvalid, EngineError, OSError):
        here = {key.project for key in ledger.projects() if working_dir_of(ledger, key) == os.getcwd()}
        if options.file or len(here) != 1:
            raise
        return here.pop()


def working_dir_of(ledger: Ledger, key: Key) -> str:
    newest = ledger.history(key)[0].number
    return str(ledger.release(key, newest).intent.spec.get("working_dir", ""))


async def key_of(options: EngineOptions, name: str, ledger: Ledger) -> Key:
    """The project on the engine that is meant; where none answers, on the only one that it was ever released to."""
    try:
        async with connected(options, project=name) as client:
            return Key((await client.capabilities()).engine_id, name)
    except Unavailable:
        known = [key for key in ledger.projects() if key.project == name]
        if len(known) != 1:
            raise
        return known[0]


async def release_of(project: ProjectOptions, engine: EngineOptions, ledger: Ledger, number: int | None) -> Release:
    """The newest where no number is given. Raises NotFound, saying which there are."""
    key = await key_of(engine, project_name(project, ledger), ledger)
    newest = next(iter(ledger.history(key)), None)
    return ledger.release(key, number or (newest.number if newest else 0))
