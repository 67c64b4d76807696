"""Which platform's image is meant: the entry of an index that fits best, and whether one that is here fits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.api.errors import NotFound
from engine.oci.platform import Platform


def choose(manifests: Any, platform: Platform) -> Mapping[str, Any]:
    """The entry that fits best: the variant itself, else the newest below it. Raises NotFound in Docker's words."""
    entries = [one for one in manifests if isinstance(one, dict)] if isinstance(manifests, list) else []
    fitting = [(rank, one) for one in entries if (rank := fitness(one.get("platform") or {}, platform)) is not None]
    if not fitting:
        raise NotFound(f"no matching manifest for {platform} in the manifest list entries")
    return max(fitting, key=lambda pair: pair[0])[1]


def fitness(said: Mapping[str, Any], platform: Platform) -> int | None:
    """None: it can't run. Larger is better."""
    if (said.get("os"), said.get("architecture")) != (platform.os, platform.architecture):
        return None
    variant, wanted = str(said.get("variant") or ""), platform.variant
    if platform.architecture == "arm64":
        variant, wanted = variant or "v8", wanted or "v8"
    if variant == wanted or not variant:
        return 100 if variant == wanted else 0
    if not wanted:
        return 1 if platform.architecture != "arm" else number_of(variant)
    return number_of(variant) if number_of(variant) < number_of(wanted) else None


def number_of(variant: str) -> int:
    digits = variant.removeprefix("v")
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def check_platform(name: str, document: Mapping[str, Any], platform: Platform | None) -> None:
    """A platform that was asked for must be the image's. Raises NotFound."""
    if platform is None:
        return
    said = {key: document.get(key) for key in ("os", "architecture", "variant")}
    if fitness(said, platform) is None:
        actual = Platform(str(said["os"] or ""), str(said["architecture"] or ""), str(said["variant"] or ""))
        raise NotFound(
            f"image with reference {name} was found but does not match the specified platform: "
            f"wanted {platform}, actual: {actual}"
        )
