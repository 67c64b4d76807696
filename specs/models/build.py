"""How an image is built: Compose's `build` object in canonical form, for a service or an image of ours."""

from __future__ import annotations

from specs.models.base import Extensible
from specs.models.files import FileReference
from specs.models.limits import Ulimit


class Build(Extensible):
    """`context` is absolute, a URL, or empty; `args` are resolved, those without a value anywhere left out."""

    context: str | None = None
    dockerfile: str | None = None
    dockerfile_inline: str | None = None
    entitlements: list[str] | None = None
    args: dict[str, str | None] | None = None
    provenance: str | None = None
    sbom: str | None = None
    ssh: list[str] | None = None
    labels: dict[str, str] | None = None
    cache_from: list[str] | None = None
    cache_to: list[str] | None = None
    no_cache: bool | None = None
    additional_contexts: dict[str, str] | None = None
    pull: bool | None = None
    extra_hosts: list[str] | None = None
    isolation: str | None = None
    network: str | None = None
    target: str | None = None
    secrets: list[FileReference] | None = None
    shm_size: int | None = None
    tags: list[str] | None = None
    ulimits: dict[str, Ulimit] | None = None
    platforms: list[str] | None = None
    privileged: bool | None = None
