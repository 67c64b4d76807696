"""A project with images of ours as plain Compose: what Docker Compose can read and means the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specs.load import Loaded
from specs.models import Image


def plain_compose(loaded: Loaded) -> dict[str, Any]:
    """Values without `images:`: a service that names one gets its build, or its local reference and no pull."""
    assert loaded.values is not None and loaded.project is not None
    images = loaded.project.images
    services: dict[str, Any] = {}
    for name, service in loaded.values["services"].items():
        image = images.get(service.get("image", ""))
        changed = dict(service)
        if "build" in service:
            changed["build"] = with_references(service["build"], images)
        services[name] = changed
        if image is None:
            continue
        changed["image"] = image.pull if image.pull is not None else image.reference
        if image.build is not None:
            built = image.build.model_dump(by_alias=True, exclude_unset=True)
            changed["build"] = with_references(built, images)
        elif image.pull is not None:
            changed |= {"pull_policy": image.policy} if image.policy else {}
        else:
            changed["pull_policy"] = "never"
    return {key: item for key, item in loaded.values.items() if key != "images"} | {"services": services}


def with_references(build: dict[str, Any], images: Mapping[str, Image]) -> dict[str, Any]:
    """A build whose named contexts are references where they name images of the project."""
    contexts = build.get("additional_contexts")
    if not contexts:
        return build
    named = {key: f"docker-image://{images[v].reference}" if v in images else v for key, v in contexts.items()}
    return {**build, "additional_contexts": named}
