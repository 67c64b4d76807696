"""Services that a program of its own provides: what it last answered, as the containers made with it tell. Pure.

A provider's variables are part of the environment of the services that depend on it, under the provider's name in
capitals. What it answers is known only once it has run; until then the answer is the one that stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.plan.lower.naming import PROVIDED
from engine.plan.observed import Observed
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
    providers = [key for key, service in project.services.items() if service.provider is not None]
    wanted = {name for key in providers for name in dependents(project, key)}
    for container in observed.containers if wanted else ():
        names = [name for name in container.labels.get(PROVIDED, "").split(",") if name]
        if container.service in wanted and container.service not in found and not container.oneoff and names:
            lines = (container.inspect["Config"].get("Env") or ()) if "Config" in container.inspect else ()
            values = dict(line.split("=", 1) for line in lines if "=" in line)
            found[container.service] = {name: values[name] for name in names if name in values}
    return found


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
    services = {
        key: service.model_copy(update={"environment": {**(service.environment or {}), **provided[key]}})
        if provided.get(key)
        else service
        for key, service in project.services.items()
    }
    return project.model_copy(update={"services": services})


def has_providers(project: Project, keys: Iterable[str]) -> bool:
    return any(project.services[key].provider is not None for key in keys)
