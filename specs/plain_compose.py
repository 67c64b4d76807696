"""A project with images of ours as plain Compose: what Docker Compose can read and means the same."""

from __future__ import annotations

from typing import Any

from specs.load import Loaded

FIELDS_BEFORE_BUILD = ("profiles", "annotations", "attach")


def plain_compose(loaded: Loaded) -> dict[str, Any]:
    """Values without `images:`: a service that names one gets its build, or its local reference and no pull."""
    assert loaded.values is not None and loaded.project is not None
    images = loaded.project.images
    services: dict[str, Any] = {}
    for name, service in loaded.values["services"].items():
        image = images.get(service.get("image", ""))
        if image is None:
            services[name] = service
            continue
        changed = dict(service)
        changed["image"] = image.pull if image.pull is not None else image.reference
        if image.build is not None:
            changed["build"] = image.build.model_dump(by_alias=True, exclude_unset=True)
        elif image.pull is not None:
            changed |= {"pull_policy": image.policy} if image.policy else {}
        else:
            changed["pull_policy"] = "never"
        services[name] = changed
    return {key: item for key, item in loaded.values.items() if key != "images"} | {"services": services}
