"""Which of git's objects kept releases mount: they stay on disk for as long as the ledger may return to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from engine.client.errors import EngineError
from engine.gitops.state.project import ProjectState
from engine.ledger.release import FOLDER, Key
from engine.ledger.store import Ledger


@dataclass(slots=True)
class Releases:
    """`folder` is this machine's state. What a release mounts never changes, and so is read once."""

    folder: Path
    known: dict[tuple[Key, int], frozenset[str]] = field(default_factory=dict)

    def objects(self, states: Iterable[ProjectState], place: Path) -> set[str] | None:
        """The ids of the objects below `place`; None where the ledger can't be read: then nothing may be let go."""
        if not (self.folder / FOLDER).is_dir():
            return set()
        wanted = re.compile(re.escape(f"{place}/") + "([0-9a-f]{40,64})/")
        found: set[str] = set()
        try:
            ledger = Ledger(self.folder / FOLDER)
            try:
                for state in states:
                    found |= self.of_project(ledger, Key(state.engine_id, state.name), wanted)
            finally:
                ledger.close()
        except EngineError:
            return None
        return found

    def of_project(self, ledger: Ledger, key: Key, wanted: re.Pattern[str]) -> set[str]:
        found: set[str] = set()
        for summary in ledger.history(key):
            if not summary.good:
                continue
            if (key, summary.number) not in self.known:
                spec = json.dumps(ledger.release(key, summary.number).intent.spec)
                self.known[key, summary.number] = frozenset(wanted.findall(spec))
            found |= self.known[key, summary.number]
        return found
