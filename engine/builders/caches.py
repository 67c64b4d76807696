"""`cache_from` and `cache_to`, as far as an engine's own builder has them: images, and caches at registries."""

from __future__ import annotations

from collections.abc import Sequence


def attributes(text: str) -> dict[str, str]:
    """`type=registry,ref=a/b:1,mode=max`; a plain name is a registry's."""
    if "=" not in text:
        return {"type": "registry", "ref": text}
    return {name.strip(): value for name, _, value in (part.partition("=") for part in text.split(","))}


def at_registry(text: str) -> str:
    """The name of a cache at a registry; empty for another kind."""
    found = attributes(text)
    return found.get("ref", "") if found.get("type") == "registry" else ""


def images_in(sources: Sequence[str]) -> list[str]:
    """The plain names: images whose steps may be taken."""
    return [source for source in sources if "=" not in source]


def imports_in(sources: Sequence[str]) -> list[str]:
    return [name for source in sources if "=" in source and (name := at_registry(source))]


def exports_in(targets: Sequence[str]) -> list[str]:
    """As the engine takes them: `name`, or `name,mode=max`."""
    found = []
    for target in targets:
        if name := at_registry(target):
            mode = attributes(target).get("mode", "")
            found.append(f"{name},mode={mode}" if mode else name)
    return found
