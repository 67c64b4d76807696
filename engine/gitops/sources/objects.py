"""Files and folders of git that containers mount, each at a path made of its object id: the same content is the same
path whatever the commit, so an unrelated commit changes no container, and a changed file is a changed mount.
"""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from engine.gitops.sources.checkout import is_lfs_pointer, put_aside, remove
from engine.gitops.sources.faults import SourceFault


@dataclass(frozen=True, slots=True)
class Objects:
    folder: Path

    def sweep(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".*"):
            remove(left)

    def place(self, identity: str, name: str) -> Path:
        """Where the object lies, or will."""
        return self.folder / identity / name

    def put(self, identity: str, source: Path) -> Path:
        """Copy it there, unless it is there; several may do so at once. Raises SourceFault for a pointer of Git LFS,
        OSError.
        """
        target = self.place(identity, source.name)
        if target.exists():
            return target
        refuse_pointers(source)
        new = self.folder / f".new-{identity}-{secrets.token_hex(4)}"
        new.mkdir()
        try:
            if source.is_dir():
                shutil.copytree(source, new / source.name, symlinks=True)
            else:
                shutil.copy2(source, new / source.name)
            if target.parent.exists():
                os.rename(new / source.name, target)
            else:
                os.rename(new, target.parent)
        except OSError:
            # another was first: what has one id is one content
            if not target.exists():
                raise
        finally:
            remove(new)
        return target

    def ids(self) -> set[str]:
        """All that are there."""
        return {entry.name for entry in self.folder.iterdir() if not entry.name.startswith(".")}

    def keep(self, identities: set[str]) -> list[Path]:
        """Put all others out of sight; returns what is to be removed."""
        return [put_aside(self.folder / identity) for identity in sorted(self.ids() - identities)]


def refuse_pointers(source: Path) -> None:
    files = [source] if source.is_file() else [Path(top, name) for top, _, names in os.walk(source) for name in names]
    for file in files:
        if is_lfs_pointer(file):
            raise SourceFault(
                f"{file.name} is kept in Git LFS and its content is not here: install git-lfs and set lfs: true"
            )
