"""Which services a command means, and in which order: what a service needs comes before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter

from engine.api.errors import InvalidArgument
from specs.models import Project, Service


def needs_of(service: Service) -> set[str]:
    """The services that this one can't start without: depends_on, and whose namespaces, volumes or links it uses."""
    found = set(service.depends_on or ())
    for mode in (service.network_mode, service.ipc, service.pid):
        if mode and mode.startswith("service:"):
            found.add(mode.removeprefix("service:"))
    found |= {link.partition(":")[0] for link in service.links or ()}
    found |= {entry.partition(":")[0] for entry in service.volumes_from or () if not entry.startswith("container:")}
    return found


def select(project: Project, wanted: Iterable[str], *, deps: bool) -> list[str]:
    """The wanted services (all, where none is named) and what they need, dependencies first.

    Raises InvalidArgument for a name that isn't a service of the project.
    """
    todo = list(wanted) or list(project.services)
    for key in todo:
        if key not in project.services:
            disabled = key in project.disabled_services
            why = f"is in a profile that isn't active: {key}" if disabled else f'"{key}" is not defined'
            raise InvalidArgument(f"no such service: {why}")
    chosen: set[str] = set()
    while todo:
        key = todo.pop()
        if key not in chosen:
            chosen.add(key)
            todo += [n for n in needs_of(project.services[key]) if deps and n in project.services]
    return [key for key in in_order({k: needs_of(s) for k, s in project.services.items()}) if key in chosen]


def in_order(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Dependencies first; among equals in the file's order. Names that aren't keys are passed over."""
    sorter = TopologicalSorter({key: [n for n in found if n in needs] for key, found in needs.items()})
    return list(sorter.static_order())
