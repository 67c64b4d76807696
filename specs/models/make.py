"""Typed values → models."""

from __future__ import annotations

from typing import Any

from specs.models.construct import construct
from specs.models.project import Project
from specs.typed.kinds import EXTENSIONS

SECTIONS = ("services", "disabled_services", "networks", "volumes", "secrets", "configs", "models")
PLAIN = ("name", "folded_files", "working_dir", "files", "environment", "profiles")


def make_project(values: dict[str, Any]) -> Project:
    """The whole project as models."""
    given = {key: values[key] for key in (*SECTIONS, *PLAIN) if key in values}
    given |= {"images": values.get("typed_images", {}), EXTENSIONS: values.get(EXTENSIONS, {})}
    return construct(Project, given)
