"""One revision of a source as files, and the projects in it: those that the settings name, and those that are found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from engine.gitops.settings.models import Discovery, Policy, ProjectSettings, SourceSettings
from engine.gitops.settings.read import read_declared
from engine.gitops.sources.checkout import Checkout


@dataclass(frozen=True, slots=True)
class Tree:
    """`checkout` is None for a folder that is watched. `subject` is a line for people. `changed` are the paths that
    differ from the revision before, None where that isn't known.
    """

    source: SourceSettings
    revision: str
    folder: Path
    checkout: Checkout | None = None
    subject: str = ""
    changed: frozenset[str] | None = None

    def projects(self) -> list[ProjectSettings]:
        found = {each.key: each for each in self.source.projects}
        if self.source.discover is not None:
            for each in discover(self.folder, self.source.discover):
                found.setdefault(each.key, each)
        return list(found.values())

    def declared(self, defaults: Policy) -> tuple[SourceSettings, ...]:
        """The sources that this one declares. Raises SpecInvalid."""
        if self.source.more is None:
            return ()
        path = self.folder / self.source.more
        return read_declared(path, f"{self.source.name}:{self.source.more}", defaults)

    def touches(self, project: ProjectSettings) -> bool:
        """Whether the revision changed something in the project's folder."""
        if self.changed is None or project.path in {"", "."}:
            return True
        folder = f"{project.path.strip('/')}/"
        return any(path.startswith(folder) for path in self.changed)


def discover(root: Path, discovery: Discovery) -> list[ProjectSettings]:
    """A project for each folder with a file that matches; it bears the folder's name."""
    found: dict[str, ProjectSettings] = {}
    for pattern in discovery.patterns:
        for file in sorted(root.glob(pattern)):
            path = file.relative_to(root)
            if ".git" in path.parts or any(fnmatch(str(path), each) for each in discovery.exclude):
                continue
            folder = str(path.parent)
            if file.is_file() and folder not in found:
                found[folder] = ProjectSettings(key_of(path.parent, root), folder, discovery.policy, (file.name,))
    return distinct(list(found.values()))


def key_of(folder: Path, root: Path) -> str:
    """The folder's name, made of what a project's name may hold."""
    name = (folder.name or "root").lower()
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in name)
    return kept.lstrip("_-") or "root"


def distinct(projects: list[ProjectSettings]) -> list[ProjectSettings]:
    """Of two folders with one name, both bear their whole path."""
    names = [each.key for each in projects]
    return [
        replace(each, key=each.path.lower().replace("/", "-").strip("-_.")) if names.count(each.key) > 1 else each
        for each in projects
    ]
