"""Two releases of a project, field by field: what the later one asked for that the earlier one didn't. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.ledger.release import Release
from engine.ledger.sealing import digests_in
from engine.plan.render.difference import Difference
from engine.plan.steps import FieldChange

# Where objects of a project stand in its document, and the word of their addresses.
SECTIONS = {
    "services": "service",
    "networks": "network",
    "volumes": "volume",
    "images": "image",
    "configs": "config",
    "secrets": "secret",
}


def compare(old: Release, new: Release) -> list[Difference]:
    """Objects in the order of the documents; then scales, the images that services ran, and contents of files."""
    return [*objects(old.intent.spec, new.intent.spec), *scales(old, new), *images(old, new), *contents(old, new)]


def objects(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for section, word in SECTIONS.items():
        before, after = old.get(section) or {}, new.get(section) or {}
        for name in dict.fromkeys([*before, *after]):
            address = f"{word}.{name}"
            if name not in after:
                yield Difference(address, "only in the earlier release", None)
            elif name not in before:
                yield Difference(address, "only in the later release", None)
            else:
                for change in changes(flat(before[name]), flat(after[name])):
                    yield Difference(address, f"{change.path.partition('.')[0]} changed", change)


def scales(old: Release, new: Release) -> Iterator[Difference]:
    """How many containers a service has, where a command line said so."""
    before, after = old.intent.options.get("scale") or {}, new.intent.options.get("scale") or {}
    for key in sorted(before.keys() | after.keys()):
        was, now = (
            scale.get(key, replicas(release.intent.spec, key)) for scale, release in ((before, old), (after, new))
        )
        if was != now and None not in {was, now}:
            yield Difference(f"service.{key}", "scale changed", FieldChange("scale", was, now))


def replicas(spec: Mapping[str, Any], key: str) -> int | None:
    """As the spec says; None for a service that it doesn't have."""
    service = (spec.get("services") or {}).get(key)
    if service is None:
        return None
    return int(service.get("scale") or ((service.get("deploy") or {}).get("replicas")) or 1)


def images(old: Release, new: Release) -> Iterator[Difference]:
    for key in sorted(old.images.keys() & new.images.keys()):
        before, after = old.images[key].id, new.images[key].id
        if before != after:
            change = FieldChange("image id", short(before), short(after))
            yield Difference(f"service.{key}", "image changed", change)


def contents(old: Release, new: Release) -> Iterator[Difference]:
    before, after = old.intent.contents, new.intent.contents
    for path in sorted(before.keys() & after.keys()):
        if before[path].digest != after[path].digest:
            sensitive = after[path].digest.startswith("hmac:")
            change = FieldChange("content", short(before[path].digest), short(after[path].digest), sensitive)
            yield Difference(f"file.{path}", "content changed", change)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for path in dict.fromkeys([*before, *after]):
        old, new = before.get(path), after.get(path)
        if old != new:
            yield FieldChange(path, old, new, sensitive=bool(digests_in(old) or digests_in(new)))


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Mappings as one entry a leaf; a list is a leaf, since its order means something."""
    if isinstance(value, Mapping) and value and not digests_in_itself(value):
        found: dict[str, Any] = {}
        for key, item in value.items():
            found |= flat(item, f"{path}.{key}" if path else str(key))
        return found
    return {path: value} if value not in (None, {}, []) else {}


def digests_in_itself(value: Mapping[str, Any]) -> bool:
    return "" in digests_in(value)


def short(digest: str) -> str:
    return digest.rpartition(":")[2][:12]
