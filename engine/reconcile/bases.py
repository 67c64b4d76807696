"""The images of registries that the project's builds start from, and builds that take them by digest.

A pin becomes a named context of the build: every builder has those for images. What the project makes itself, and what
a build names a context of its own, comes from no registry. Called by reconcile.pins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.graph.address import Address, Kind
from engine.graph.build import image_of
from engine.graph.dockerfiles import images_named
from engine.oci.reference import Reference
from engine.plan.lower.naming import Naming
from specs.models import Build, Project


def movable(image: str | None) -> Reference | None:
    """The whole reference where it has a tag that can move, and no digest."""
    try:
        found = Reference.parse(image or "").with_default_tag()
    except ValueError:
        # the plan says what is wrong with it
        return None
    return None if found.digest is not None else found


def bases_of(project: Project) -> Iterator[tuple[Address, Reference]]:
    """(an image that is built, what its Dockerfile takes by a tag), where the Dockerfile lies on this machine."""
    for address, build in builds_of(project):
        for _, reference in taken_from_registries(project, build):
            yield address, reference


def builds_of(project: Project) -> Iterator[tuple[Address, Build]]:
    """Services that a profile leaves out have theirs, too."""
    for name, image in project.images.items():
        if image.build is not None:
            yield Address(Kind.IMAGE, name), image.build
    for key, service in {**project.services, **project.disabled_services}.items():
        if service.build is not None and service.image not in project.images:
            yield image_of(project, key, service), service.build


def taken_from_registries(project: Project, build: Build) -> list[tuple[str, Reference]]:
    """(as the Dockerfile has it with its arguments filled in, whole) for FROM, --from and mounts."""
    pairs = [(name, movable(name)) for name in images_named(project, build) if name not in project.images]
    own = made_here(project) if pairs else set()
    return [(name, reference) for name, reference in pairs if reference is not None and str(reference) not in own]


def made_here(project: Project) -> set[str]:
    """Every name that a build of the project gives, whole."""
    naming, names = Naming(project.name), []
    for key, service in {**project.services, **project.disabled_services}.items():
        if service.build is not None:
            names += [naming.image(project, service, key), *(service.build.tags or ())]
    for image in project.images.values():
        if image.pull is None:
            names += [image.reference, *(image.tags or ())]
    return {str(reference) for name in names if (reference := movable(name))}


def with_pinned_bases(project: Project, build: Build, pin: Callable[[Reference], str | None]) -> Build:
    """`pin` gives the reference by digest, or None for one that isn't pinned."""
    taken = taken_from_registries(project, build)
    contexts = {name: f"docker-image://{pinned}" for name, found in taken if (pinned := pin(found))}
    if not contexts:
        return build
    return build.model_copy(update={"additional_contexts": {**contexts, **(build.additional_contexts or {})}})
