"""Services that a program of its own provides: what it last answered, as the containers made with it tell. Pure.

A provider's variables are part of the environment of the services that depend on it, under the provider's name in
capitals. What it answers is known only once it has run; until then the answer is the one that stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.plan.lower.naming import APPLIED, PROVIDED
from engine.plan.observed import LiveContainer, Observed
from engine.plan.steps import RunProvider
from specs.models import Project, Service

Variables = Mapping[str, str]


def provider_of(key: str, service: Service, verb: str) -> RunProvider:
    """Raises AttributeError for a service that has none."""
    assert service.provider is not None
    options = service.provider.options or {}
    words = tuple((name, str(value)) for name, values in options.items() for value in values)
    return RunProvider(key, service.provider.type or "", words, verb)


def prefixed(key: str, variables: Variables) -> dict[str, str]:
    """`{"URL": …}` of service `my-db` → `{"MY-DB_URL": …}`: Compose's spelling."""
    return {f"{key.upper()}_{name}": value for name, value in variables.items()}


def dependents(project: Project, key: str) -> list[str]:
    return [name for name, service in project.services.items() if key in (service.depends_on or {})]


def standing_variables(project: Project, observed: Observed) -> dict[str, dict[str, str]]:
    """By service that depends on a provider: the variables that its containers were made with."""
    found: dict[str, dict[str, str]] = {}
    for key in (key for key, service in project.services.items() if service.provider is not None):
        for name in dependents(project, key):
            container = next((c for c in observed.containers if c.service == name and not c.oneoff), None)
            if container is not None:
                found.setdefault(name, {}).update(given(container, project.services[name], f"{key.upper()}_"))
    return found


def given(container: LiveContainer, service: Service, prefix: str) -> dict[str, str]:
    """The variables of this prefix that a provider gave: as the label says; of a container that Compose made, those
    that the spec doesn't set.
    """
    lines = container.inspect["Config"].get("Env") or ()
    values = dict(line.split("=", 1) for line in lines if line.startswith(prefix) and "=" in line)
    label = container.labels.get(PROVIDED)
    if label is None and APPLIED in container.labels:
        return {}
    names = label.split(",") if label is not None else [n for n in values if n not in (service.environment or {})]
    return {name: values[name] for name in names if name in values}


def with_answers(
    project: Project, standing: Mapping[str, Variables], answers: Mapping[str, Variables]
) -> dict[str, dict[str, str]]:
    """What stands, but for the providers that have answered: `answers` by their names."""
    found = {name: dict(variables) for name, variables in standing.items()}
    for key, variables in answers.items():
        for name in dependents(project, key):
            kept = {k: v for k, v in found.get(name, {}).items() if not k.startswith(f"{key.upper()}_")}
            found[name] = kept | prefixed(key, variables)
    return found


def provided_project(project: Project, provided: Mapping[str, Variables]) -> Project:
    """The project as its services are made: with their providers' variables over their own."""
    if not provided:
        return project

    def environment(key: str, service: Service) -> dict[str, str | None]:
        # in the order of names, as the language has it: Compose's config hash is taken of it
        return dict(sorted({**(service.environment or {}), **provided[key]}.items()))

    services = {
        key: service.model_copy(update={"environment": environment(key, service)}) if provided.get(key) else service
        for key, service in project.services.items()
    }
    return project.model_copy(update={"services": services})


def has_providers(project: Project, keys: Iterable[str]) -> bool:
    return any(project.services[key].provider is not None for key in keys)
