"""The Dockerfiles of a project's builds: read where they lie on this machine, and which of its images they build on.

Small files, read at once. What can't be read here (a remote context, a file that is missing) counts as unknown: the
build itself says so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.dockerfile.parse import Dockerfile

    # for annotations: `validate` looks into Dockerfiles without making models, which takes 0.2 s
    from specs.models import Build, Project

LARGEST = 1 << 20
SERVICE = "service:"


@dataclass(frozen=True, slots=True)
class Found:
    """A Dockerfile of the project; `path` as a message names it. `inline`: it stands in the project file."""

    path: str
    parsed: Dockerfile
    inline: bool = False


def read_dockerfile(context: str, dockerfile: str | None, inline: str | None) -> Found | None:
    """None for one that isn't on this machine. The arguments are those of a `build` object, its context absolute."""
    if inline is not None:
        return Found("dockerfile_inline", parsed(inline), inline=True)
    path = os.path.join(context, dockerfile or "Dockerfile")
    if not os.path.isabs(path):
        return None
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError:
        return None
    if len(content) > LARGEST:
        return None
    return Found(path, parsed(content.decode("utf-8", "replace")))


def parsed(text: str) -> Dockerfile:
    # late: the parser takes 40 ms to load, and most projects have no Dockerfile to look into
    from engine.dockerfile.parse import parse

    return parse(text)


def images_below(project: Project, build: Build) -> tuple[str, ...]:
    """The entries of `images:` that a build's FROM and --from name, exactly and by no named context of its own."""
    if not project.images:
        return ()
    return tuple(name for name in images_named(project, build) if name in project.images)


def images_named(project: Project, build: Build) -> tuple[str, ...]:
    """All that a build's FROM and --from name, its arguments filled in; less its stages and named contexts."""
    context = build.context or project.working_dir
    found = read_dockerfile(context, build.dockerfile, build.dockerfile_inline)
    if found is None:
        return ()
    # late: see above
    from engine.dockerfile.stages import images_taken

    contexts = build.additional_contexts or {}
    args = {name: value for name, value in (build.args or {}).items() if value is not None}
    taken = images_taken(found.parsed, args=args, target=build.target or "")
    return tuple(name for name in taken if name not in contexts)


def image_bases(project: Project) -> dict[str, tuple[str, ...]]:
    """What each build takes from other builds: entries of `images:` by name, services' builds as `service:NAME`.

    The keys are those of the builds, in the same form.
    """
    owners = {name: image.build for name, image in project.images.items()}
    owners |= {f"{SERVICE}{name}": service.build for name, service in project.services.items()}
    return {name: taken_by(project, build) for name, build in owners.items() if build is not None}


def taken_by(project: Project, build: Build) -> tuple[str, ...]:
    contexts = (build.additional_contexts or {}).values()
    named = [value for value in contexts if value in project.images or builds_service(project, value)]
    return tuple(dict.fromkeys([*named, *images_below(project, build)]))


def builds_service(project: Project, value: str) -> bool:
    """Whether a named context is the image of an active service that has a build."""
    service = project.services.get(value.removeprefix(SERVICE)) if value.startswith(SERVICE) else None
    return service is not None and service.build is not None
