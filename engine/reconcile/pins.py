"""compose.lock: the digest of each image's tag, beside the Compose file; and a project whose images are pinned by it.

One JSON document: `{"version": 1, "images": {"docker.io/library/redis:7": "sha256:…"}}`. Names are whole, so that it
holds for every spelling. The images that a build starts from are in it; those that are built, or pinned in the file
itself, are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from engine.api.errors import InvalidArgument
from engine.graph.address import Address, Kind
from engine.graph.build import image_of
from engine.oci.digest import Digest
from engine.oci.reference import Reference
from engine.reconcile.bases import bases_of, movable, with_pinned_bases
from specs.models import Image, Project, Service

NAME = "compose.lock"
VERSION = 1
# Whole reference with its tag → digest.
Pins: TypeAlias = Mapping[str, str]


def lock_file(project: Project) -> Path:
    """Beside the first Compose file; a project from standard input has it in its own folder."""
    first = next(iter(project.files), "-")
    return (Path(project.working_dir) if first == "-" else Path(first).parent) / NAME


def lock_document(pins: Pins) -> bytes:
    return (json.dumps({"version": VERSION, "images": dict(sorted(pins.items()))}, indent=2) + "\n").encode()


def read_pins(file: Path) -> Pins:
    """What the file pins; nothing where there is none. Raises InvalidArgument for what `lock` did not write."""
    try:
        document: Any = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError as error:
        raise InvalidArgument(f"{file} is no JSON ({error}): `rorqual lock` writes it anew") from error
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise InvalidArgument(f"{file} is not of version {VERSION}: `rorqual lock` writes it anew")
    images = document.get("images")
    if not isinstance(images, dict):
        raise InvalidArgument(f"{file} has no images: `rorqual lock` writes it anew")
    for name, digest in images.items():
        try:
            Reference.parse(name)
            Digest.parse(digest if isinstance(digest, str) else "")
        except ValueError as error:
            raise InvalidArgument(f"{file}: {error}: `rorqual lock` writes it anew") from error
    return images


def tagged_images(project: Project) -> Iterator[tuple[Address, Reference]]:
    """Every image that comes from a registry by a tag, those of services that a profile leaves out too; and what the
    builds take from registries, under the address of the image that is built.
    """
    for key, service in {**project.services, **project.disabled_services}.items():
        if is_pulled(project, service) and (reference := movable(service.image)):
            yield image_of(project, key, service), reference
    for name, image in project.images.items():
        if reference := movable(image.pull):
            yield Address(Kind.IMAGE, name), reference
    yield from bases_of(project)


def is_pulled(project: Project, service: Service) -> bool:
    return service.build is None and service.provider is None and service.image not in project.images


def pinned(project: Project) -> Project:
    """The project with `name:tag@digest` for each image that its lock file has, in its builds' FROM lines too.

    Raises InvalidArgument for the file.
    """
    pins = read_pins(lock_file(project))

    def pin(reference: Reference | None) -> str | None:
        digest = pins.get(str(reference))
        return f"{reference.familiar}@{digest}" if reference and digest else None

    def service(found: Service) -> Service:
        if found.build is not None and found.image not in project.images:
            return found.model_copy(update={"build": with_pinned_bases(project, found.build, pin)})
        image = pin(movable(found.image)) if is_pulled(project, found) else None
        return found.model_copy(update={"image": image}) if image else found

    def entry(found: Image) -> Image:
        if found.build is not None:
            return found.model_copy(update={"build": with_pinned_bases(project, found.build, pin)})
        image = pin(movable(found.pull))
        # what is pulled has no other local name
        return found.model_copy(update={"pull": image, "reference": image}) if image else found

    if not pins:
        return project
    return project.model_copy(
        update={
            "services": {key: service(found) for key, found in project.services.items()},
            "disabled_services": {key: service(found) for key, found in project.disabled_services.items()},
            "images": {name: entry(found) for name, found in project.images.items()},
        }
    )
