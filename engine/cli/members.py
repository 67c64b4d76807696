"""Who belongs to a project: its name from options, environment or file, and its containers by label alone.

Commands that only look or enter need no more: with `-p NAME` they work where there is no file at all.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.api.containers import ContainerSummary
from engine.api.errors import EngineError, NotFound
from engine.cli.options import ProjectOptions
from engine.client.session import EngineReader
from engine.plan.lower.naming import NUMBER, ONEOFF, PROJECT, SERVICE
from specs.naming import RULE, normalized, refused
from specs.source import Report, SpecInvalid

if TYPE_CHECKING:
    from specs.load import Loaded

ServiceNames = Annotated[list[str] | None, typer.Argument(help="Services; all where none is named", show_default=False)]


@dataclass(frozen=True, slots=True)
class Named:
    """A project by name. `services` are the names that its file knows, in any profile; None where no file was read."""

    name: str
    services: frozenset[str] | None = None

    def check(self, wanted: Iterable[str]) -> None:
        """Raises NotFound for a service that the file doesn't know."""
        for service in wanted:
            if self.services is not None and service not in self.services:
                raise NotFound(f"no such service: {service}")


def name_alone(options: ProjectOptions) -> str | None:
    """The name that `-p` gives where no file is named: then none is read, as in Compose. Raises SpecInvalid."""
    return checked(options.project_name, "-p") if options.project_name and not options.file else None


def check_name(options: ProjectOptions) -> None:
    """Raises SpecInvalid for a name, of an option or of the environment, that no project can have."""
    for name, source in (
        (options.project_name, "-p"),
        (os.environ.get("COMPOSE_PROJECT_NAME"), "COMPOSE_PROJECT_NAME"),
    ):
        if name:
            checked(name, source)
            return


def checked(name: str, source: str) -> str:
    """The name in lower case, as Compose takes it here. Raises SpecInvalid for what no project can be called."""
    if normalized(name) != name.lower():
        report = Report()
        report.error("bad-project-name", refused(name, source), hint=RULE)
        raise SpecInvalid(report)
    return name.lower()


def project_or_name(options: ProjectOptions, services: Sequence[str] = (), **more: Any) -> tuple[Loaded | None, str]:
    """The project that the options mean, or its name alone: that of `-p`, or where no file can be read that of
    COMPOSE_PROJECT_NAME. Raises as load_project does.
    """
    if (name := name_alone(options)) is not None:
        return None, name
    # late: the language is needed only where a file says the name
    from engine.cli.project import load_project

    try:
        loaded = load_project(options, services, **more)
    except (SpecInvalid, EngineError, OSError):
        known = os.environ.get("COMPOSE_PROJECT_NAME")
        if not known or options.project_name:
            raise
        return None, checked(known, "COMPOSE_PROJECT_NAME")
    return loaded, loaded.name


def named_project(options: ProjectOptions) -> Named:
    """The project that the options mean.

    A file that can't be read is no matter where COMPOSE_PROJECT_NAME says which project it is.
    """
    loaded, name = project_or_name(options)
    if loaded is None:
        return Named(name)
    # the plain values: building the models would cost more than everything else that `ps` does
    values = loaded.values or {}
    return Named(name, frozenset([*values.get("services", ()), *values.get("disabled_services", ())]))


async def containers_of(
    engine: EngineReader,
    name: str,
    services: Collection[str] = (),
    *,
    all: bool = False,
    oneoff: bool | None = False,
) -> list[ContainerSummary]:
    """Containers of the project, by name; running ones, or every one with `all`. `oneoff` None takes both kinds."""
    labels = [f"{PROJECT}={name}"]
    if oneoff is not None:
        labels.append(f"{ONEOFF}={oneoff}")
    found = await engine.containers.list(all=all, filters={"label": labels})
    chosen = [c for c in found if not services or service_of(c) in services]
    return sorted(chosen, key=lambda c: (service_of(c), number_of(c), name_of(c)))


async def container_of(
    engine: EngineReader, name: str, service: str, index: int | None = None, *, all: bool = False
) -> ContainerSummary:
    """The container of the service with this number, or its first one. Raises NotFound in Compose's words."""
    found = await containers_of(engine, name, [service], all=all)
    if index:
        found = [c for c in found if number_of(c) == index]
    if not found:
        number = f" container #{index}" if index else ""
        raise NotFound(f'service "{service}" is not running{number}')
    return found[0]


def names_of(containers: Sequence[ContainerSummary]) -> list[str]:
    return [name_of(container) for container in containers]


def labels_of(container: ContainerSummary) -> dict[str, str]:
    return container.get("Labels") or {}


def service_of(container: ContainerSummary) -> str:
    return labels_of(container).get(SERVICE, "")


def number_of(container: ContainerSummary) -> int:
    number = labels_of(container).get(NUMBER, "")
    return int(number) if number.isdigit() else 0


def name_of(container: ContainerSummary) -> str:
    """Its own name: links give it more, with a slash in the middle."""
    names = [name.lstrip("/") for name in container.get("Names") or ()]
    return next((name for name in names if "/" not in name), container["Id"][:12])
