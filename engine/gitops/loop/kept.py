"""What ran before, out of the ledger: the very images, also where a tag has moved or a folder has changed since."""

from __future__ import annotations

from pathlib import Path

from engine.client.errors import SystemFailure
from engine.gitops.loop.desk import Desk, Ready
from engine.gitops.loop.roster import Target
from engine.gitops.sources.faults import SourceFault
from engine.gitops.state.project import ProjectState
from engine.gitops.tell.redaction import secret_values
from engine.ledger.release import FILE, FOLDER, Key
from engine.ledger.store import opened
from engine.reconcile.contents import read_sealer, state_directory
from engine.reconcile.restore import restore


def newest_release(folder: Path, state: ProjectState) -> int | None:
    """The number of the last good release; None where there is none, or no ledger that can be read."""
    if not (folder / FOLDER / FILE).exists():
        return None
    try:
        with opened(folder / FOLDER) as ledger:
            found = ledger.last_good(Key(state.engine_id, state.name))
    except SystemFailure:
        return None
    return None if found is None else found.number


async def kept_release(desk: Desk, target: Target, state: ProjectState, revision: str) -> Ready:
    """Raises SourceFault where no release is known for the revision, Conflict or NotFound where it is had no more."""
    number, known = state.releases.get(revision), desk.loaded.get(target.key)
    if number is None:
        raise SourceFault(f"no release of {revision[:12]} is recorded, and a folder keeps no older state")
    name = f"release {number}"
    if known is not None and known[:2] == (name, target.settings):
        return known[2]
    sealer = read_sealer(state_directory(desk.environment))
    async with desk.reached(target.settings.policy.engine) as engine:
        with opened(desk.folder / FOLDER) as ledger:
            release = ledger.release(Key(state.engine_id, state.name), number)
            restored = await restore(engine.reader, ledger, release, sealer, dict)
    secrets = frozenset(secret_values(restored.project))
    ready = Ready(restored.project, secrets=secrets, release=release, options=restored.options, notes=restored.notes)
    desk.loaded[target.key] = (name, target.settings, ready)
    return ready
