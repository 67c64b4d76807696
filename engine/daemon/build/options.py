"""What a build was asked for: the parameters of POST /build, read and judged. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.oci.platform import Platform

EPOCH = "SOURCE_DATE_EPOCH"


@dataclass(frozen=True, slots=True)
class Extension:
    """What the request says beyond Docker's own: see docs/build.md, "The request's extension".

    `images` are named contexts that are images, `remotes` those to fetch by their URLs; those that are folders came in
    the body. `agents` are the sockets of ssh agents on this machine, by id.
    """

    images: Mapping[str, str] = field(default_factory=dict)
    remotes: Mapping[str, str] = field(default_factory=dict)
    agents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CacheTarget:
    """Where a build's steps are put. `whole`: those of all its stages, not the target's alone."""

    name: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """`names` are familiar ones. `args` without a value are unset. `cache_from` None: the whole cache may be used.

    `imports` and `exports` are caches at registries.
    """

    names: tuple[str, ...] = ()
    dockerfile: str = "Dockerfile"
    remote: str = ""
    quiet: bool = False
    no_cache: bool = False
    pull: bool = False
    remove: bool = True
    force_remove: bool = False
    cache_from: tuple[str, ...] | None = None
    imports: tuple[str, ...] = ()
    exports: tuple[CacheTarget, ...] = ()
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    network: str = ""
    extra_hosts: tuple[str, ...] = ()
    # HostConfig's limits, as they are given to the container of each RUN
    limits: Mapping[str, Any] = field(default_factory=dict)
    security: Sequence[str] = ()
    # X-Registry-Config: registry → credentials
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    platform: Platform = field(default_factory=Platform.here)

    @property
    def epoch(self) -> int | None:
        """SOURCE_DATE_EPOCH in seconds, where the build has it."""
        text = self.args.get(EPOCH, "")
        return int(text) if text.isdecimal() and len(text) < 12 else None


def platform_arguments(platform: Platform, target: str) -> dict[str, str]:
    """The arguments that every build has: what it builds for is what it builds on."""
    parts = {
        "PLATFORM": str(platform),
        "OS": platform.os,
        "ARCH": platform.architecture,
        "VARIANT": platform.variant,
    }
    made = {f"{side}{name}": value for side in ("TARGET", "BUILD") for name, value in parts.items()}
    return {**made, "TARGETSTAGE": target or "default"}
