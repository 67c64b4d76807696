"""Typed values → models. The values hold what Compose prints; models add the images of both places, resolved."""

from __future__ import annotations

import os
from typing import Any

from specs.models.image import Image
from specs.models.project import Project
from specs.typed.kinds import EXTENSIONS

SECTIONS = ("services", "disabled_services", "networks", "volumes", "secrets", "configs", "models")
PLAIN = ("name", "folded_files", "working_dir", "files", "environment", "profiles")


def make_project(values: dict[str, Any]) -> Project:
    """The whole project as models."""
    given = {key: values[key] for key in (*SECTIONS, *PLAIN) if key in values}
    extensions = values.get(EXTENSIONS, {})
    project = Project.model_validate(given | {EXTENSIONS: extensions})
    ours = extensions.get("x-rorqual")
    more = ours.get("images") if isinstance(ours, dict) else None
    images = (more if isinstance(more, dict) else {}) | values.get("images", {})
    project.images = {name: make_image(project, name, image) for name, image in images.items()}
    return project


def make_image(project: Project, name: str, given: dict[str, Any]) -> Image:
    """One entry of `images:` with its paths absolute and its local reference."""
    image = Image.model_validate({"tags": None} | given)
    if image.archive is not None:
        image.archive = os.path.normpath(os.path.join(project.working_dir, image.archive))
    tag = image.tags[0] if image.tags else f"{project.name}-{name}:latest"
    image.reference = tag
    return image
