"""From a folder of a source to a project: loaded like any other, but from that folder alone, with the variables that
the settings name; its relative paths lead to git's objects or to the project's own data.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

from anyio import to_thread

from engine.gitops.settings.models import ProjectSettings
from engine.gitops.sources.checkout import Checkout
from engine.gitops.sources.git import Git
from engine.gitops.sources.objects import Objects
from engine.reconcile.contents import read_contents
from specs.discover import NAMES, OVERRIDES
from specs.load import Loaded, Request, load
from specs.models import Project
from specs.source import SpecInvalid

Stamp: TypeAlias = tuple[str, int, int, int]
Stamps: TypeAlias = tuple[Stamp, ...]

NAME = re.compile(rb"^name\s*:", re.MULTILINE)
# What interpolation sees of the agent's own environment: a project must not depend on how the agent was started.
PASSED = ("PATH", "HOME", "LANG", "TZ")


def load_project(settings: ProjectSettings, root: Path) -> Loaded:
    """The project in `settings.path` below `root`. Raises SpecInvalid with all that is wrong with it."""
    folder = root / settings.path
    files = settings.files or default_files(folder)
    environment = {name: os.environ[name] for name in PASSED if name in os.environ}
    loaded = load(
        Request(
            working_directory=str(folder),
            environment={**environment, **settings.policy.environment},
            files=files,
            project_directory=settings.directory,
            project_name=settings.name or (None if names_itself(folder, files) else settings.key),
            profiles=settings.policy.profiles or None,
            env_files=settings.policy.env_files or None,
        )
    )
    if loaded.report.failed:
        raise SpecInvalid(loaded.report)
    return loaded


def names_itself(folder: Path, files: Sequence[str]) -> bool:
    """Whether a file says the project's name; the folder, which else gives it, is one of ours here."""
    for file in files:
        with suppress(OSError):
            if NAME.search((folder / file).read_bytes()):
                return True
    return False


def default_files(folder: Path) -> list[str]:
    """Of this folder only: looking upwards, as Compose does, would leave the source."""
    first = next((name for name in NAMES if (folder / name).is_file()), NAMES[0])
    override = next((name for name in OVERRIDES if (folder / name).is_file()), None)
    return [first, override] if override else [first]


def digest_of(settings: ProjectSettings, root: Path) -> str:
    """What the project in a folder is now: its resolved values and the contents that are part of it; where it is
    faulty, its faults.
    """
    try:
        loaded = load_project(settings, root)
    except SpecInvalid as error:
        return sha256(str(error).encode()).hexdigest()[:40]
    assert loaded.project is not None  # load_project raises where there is none
    values = json.dumps(loaded.values, default=str, sort_keys=True)
    contents = read_contents(loaded.project, None)
    return sha256(f"{values}\n{json.dumps(contents, sort_keys=True)}".encode()).hexdigest()[:40]


def files_beside(project: Project, settings: ProjectSettings, root: Path) -> list[str]:
    """The files of variables that were read for the project and lie outside of its source: they may change by
    themselves.
    """
    found = {os.path.join(root, settings.path, each) for each in settings.policy.env_files}
    for files in project.folded_files.values():
        for entry in files.get("env_file") or ():
            path = entry.get("path") if isinstance(entry, Mapping) else entry
            found.add(os.path.join(root, settings.path, str(path)))
    return sorted(path for path in found if within(path, real(root)) is None)


def stamp_of(path: str) -> Stamp:
    """The same for as long as nobody touched the file."""
    try:
        status = os.stat(path)
    except OSError:
        return (path, 0, 0, 0)
    return (path, status.st_mtime_ns, status.st_size, status.st_ino)


@dataclass(frozen=True, slots=True)
class Place:
    """One path of the host in a project, and how to change it."""

    path: str
    change: Callable[[str], None]


def host_paths(project: Project) -> Iterator[Place]:
    """Every path that a container is given: bind mounts, configs and secrets from files, local volumes that bind."""
    for service in [*project.services.values(), *project.disabled_services.values()]:
        for mount in service.volumes or ():
            if mount.type == "bind" and mount.source:
                yield Place(mount.source, setter(mount, "source"))
    for item in [*project.configs.values(), *project.secrets.values()]:
        if item.file:
            yield Place(item.file, setter(item, "file"))
    for volume in project.volumes.values():
        options = volume.driver_opts or {}
        if volume.driver in {None, "local"} and "bind" in options.get("o", "").split(",") and options.get("device"):
            yield Place(options["device"], lambda path, options=options: options.update(device=path))  # type: ignore[misc]


def setter(model: object, name: str) -> Callable[[str], None]:
    return lambda path: setattr(model, name, path)


async def settle_paths(
    project: Project, settings: ProjectSettings, checkout: Checkout, git: Git, objects: Objects, data: Path
) -> list[str]:
    """Lead every path within the checkout to git's object, or to `data` where git doesn't track it.

    Returns the ids of the objects used. Raises SourceFault for a pointer of Git LFS.
    """
    root = real(checkout.folder)
    places = [(place, path) for place in host_paths(project) if (path := within(place.path, root)) is not None]
    identities = await checkout.identities(git, (path for _, path in places))
    used = []
    for place, path in places:
        identity = identities[path]
        if identity is None:
            place.change(str(own_data(data, path, settings.path)))
        else:
            # a folder may be large, and others are worked on meanwhile
            place.change(str(await to_thread.run_sync(objects.put, identity, Path(root, path))))
            used.append(identity)
    return sorted(set(used))


def real(path: Path) -> str:
    return os.path.realpath(path)


def own_data(data: Path, path: str, base: str) -> Path:
    """Where data of the project lies that the file names relative to its folder; `..` becomes `_parent`."""
    parts = Path(os.path.relpath(path, base)).parts
    return data.joinpath(*("_parent" if part == ".." else part for part in parts))


def within(path: str, root: str) -> str | None:
    """The path relative to the root, links followed; None where it lies elsewhere."""
    real = os.path.realpath(path)
    if real != root and not real.startswith(f"{root}/"):
        return None
    return os.path.relpath(real, root)
