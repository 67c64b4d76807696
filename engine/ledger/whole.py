"""A release of some services (`up web`, `scale web=3`), recorded as the whole that stands after it: theirs as they are
asked for now, the others as the last good release has them. So that a return to it returns all of it. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from engine.ledger.release import Intent, Json

T = TypeVar("T")
# Where in a service the objects of a section are named.
USED = {"networks": "networks", "volumes": "volumes", "configs": "configs", "secrets": "secrets"}


def whole(
    now: Intent, before: Intent | None, chosen: Collection[str], paths: Collection[str], standing: Collection[str]
) -> Intent:
    """`chosen` are the services that the release is about, `paths` the files that they are given, `standing` the
    services that have containers.

    A service that neither is, and that none of them needs, was never brought up, and is no part of the release.
    """
    earlier = before.spec if before is not None else {}
    services = services_of(now.spec, earlier, chosen, standing)
    mine = {key: service for key, service in services.items() if key in chosen}
    spec = {**now.spec, "services": services}
    for section, key in USED.items():
        used = set(named(mine.values(), key))
        kept = {name: item for name, item in (earlier.get(section) or {}).items() if name not in used}
        if found := {**(now.spec.get(section) or {}), **kept}:
            spec[section] = found
    if disabled := now.spec.get("disabled_services"):
        spec["disabled_services"] = {key: item for key, item in disabled.items() if key not in services}
    return now._replace(
        spec=spec,
        options={**now.options, "services": [], "deps": True, "scale": scales(now, before, chosen, services)},
        contents=either(now.contents, before.contents if before is not None else {}, paths),
        unkept=either(now.unkept, before.unkept if before is not None else {}, paths),
    )


def either(now: Mapping[str, T], before: Mapping[str, T], paths: Collection[str]) -> dict[str, T]:
    """Of each file what the one who is given it has."""
    return {
        **{path: item for path, item in before.items() if path not in paths},
        **{path: item for path, item in now.items() if path in paths},
    }


def services_of(now: Json, earlier: Json, chosen: Collection[str], standing: Collection[str]) -> Json:
    new, old = now.get("services") or {}, earlier.get("services") or {}
    found: Json = {}
    todo = [*chosen, *(key for key in standing if key in old)]
    while todo:
        key = todo.pop()
        if key in found:
            continue
        service = new.get(key) if key in chosen or key not in old else old.get(key)
        if service is not None:
            found[key] = service
            todo += needed(service)
    # in the order of the files
    return {key: found[key] for key in dict.fromkeys([*new, *old]) if key in found}


def needed(service: Mapping[str, Any]) -> Iterator[str]:
    """The services without which it can't stand."""
    yield from service.get("depends_on") or ()
    for key in ("network_mode", "ipc", "pid"):
        kind, _, name = str(service.get(key) or "").partition(":")
        if kind == "service":
            yield name
    for entry in (*(service.get("links") or ()), *(service.get("volumes_from") or ())):
        yield str(entry).partition(":")[0]


def scales(now: Intent, before: Intent | None, chosen: Collection[str], services: Json) -> Json:
    kept = before.options.get("scale") or {} if before is not None else {}
    both = {**{key: count for key, count in kept.items() if key not in chosen}, **(now.options.get("scale") or {})}
    return {key: count for key, count in both.items() if key in services}


def named(services: Iterable[Mapping[str, Any]], section: str) -> Iterator[str]:
    """The names under which services use the objects of a section."""
    for service in services:
        for entry in service.get(section) or ():
            name = entry.get("source") if isinstance(entry, Mapping) else entry
            if isinstance(name, str):
                yield name
