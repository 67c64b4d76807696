"""Which projects there are now: what every source says, put together. A project belongs to one source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.gitops.settings.models import ProjectSettings
from engine.gitops.sources.source import Source
from engine.gitops.sources.tree import Tree


@dataclass(frozen=True, slots=True)
class Target:
    """A project as its source has it now. `revision` is the commit, or for a folder a digest of what the project is."""

    settings: ProjectSettings
    source: Source
    tree: Tree
    revision: str

    @property
    def key(self) -> str:
        return self.settings.key


@dataclass(slots=True)
class Roster:
    targets: dict[str, Target] = field(default_factory=dict)

    def update(self, source: str, targets: Iterable[Target]) -> list[str]:
        """Put a source's projects in the place of those that it had; returns the keys that another source has."""
        for key in self.of_source(source):
            del self.targets[key]
        taken = []
        for target in targets:
            if target.key in self.targets:
                taken.append(target.key)
            else:
                self.targets[target.key] = target
        return taken

    def of_source(self, source: str) -> list[str]:
        return [key for key, target in self.targets.items() if target.source.settings.name == source]
