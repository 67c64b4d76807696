"""A project known by its containers' labels alone: enough to stop, start and remove it where no file is at hand."""

from __future__ import annotations

from engine.cli.converge import Convergence, convergence
from engine.cli.options import EngineOptions, ProjectOptions
from engine.client.session import Engine
from engine.plan.lower.naming import DEPENDS_ON
from engine.plan.observed import Observed
from engine.reconcile.observe import observe_outline
from specs.load import Loaded
from specs.models import Dependency, Project, Service


def labelled_project(name: str, observed: Observed) -> Project:
    """Services with what they depend on, as they were created."""
    labels = {c.service: c.labels for c in observed.containers if not c.oneoff}
    services = {
        key: Service(depends_on={n: d for n, d in dependencies(found.get(DEPENDS_ON, "")).items() if n in labels})
        for key, found in labels.items()
    }
    return Project(name=name, working_dir="", services=services)


def dependencies(text: str) -> dict[str, Dependency]:
    """`db:service_healthy:false,cache:service_started:true` → by name."""
    found = {}
    for entry in text.split(","):
        name, _, rest = entry.partition(":")
        condition, _, restart = rest.partition(":")
        if name:
            found[name] = Dependency(condition=condition or "service_started", restart=restart == "true")
    return found


async def found(
    client: Engine, loaded: Loaded | None, name: str, options: ProjectOptions, engine: EngineOptions
) -> tuple[Convergence, Observed]:
    """What stands, and its convergence: of the loaded project, or where no file is at hand of the one called `name`."""
    if loaded is None:
        return await labelled_convergence(client, name, options, engine)
    work = convergence(client, loaded, options, engine)
    return work, await observe_outline(client.reader, work.project.name)


async def labelled_convergence(
    client: Engine, name: str, options: ProjectOptions, engine: EngineOptions
) -> tuple[Convergence, Observed]:
    """The convergence of the project called `name`, and what stands of it."""
    observed = await observe_outline(client.reader, name)
    separator = "_" if options.compatibility else "-"
    return Convergence(client, labelled_project(name, observed), separator, engine_options=engine), observed
