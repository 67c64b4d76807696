"""How a project does, by what was observed: the worst of its services; and how long it is waited for. Pure."""

from __future__ import annotations

from engine.gitops.state.project import Health
from engine.plan.endings import has_done_its_work
from engine.plan.observed import Ending, LiveContainer, Observed
from engine.plan.steps import Plan, WaitFor
from specs.models import Project


def health_of(project: Project, observed: Observed) -> Health:
    by_service: dict[str, list[LiveContainer]] = {key: [] for key in project.services}
    for container in observed.containers:
        if container.service in by_service and not container.oneoff:
            by_service[container.service].append(container)
    wanted = {key: containers for key, containers in by_service.items() if project.services[key].replicas}
    if wanted and not any(wanted.values()):
        return Health.MISSING
    found = {one(project, observed, key, container) for key, containers in wanted.items() for container in containers}
    if any(not containers for containers in wanted.values()) or Health.DEGRADED in found:
        return Health.DEGRADED
    return Health.PROGRESSING if Health.PROGRESSING in found else Health.HEALTHY


def one(project: Project, observed: Observed, key: str, container: LiveContainer) -> Health:
    if not container.running:
        done = has_done_its_work(project, key, container, observed.endings.get(container.id, Ending.ITSELF))
        return Health.HEALTHY if done else Health.DEGRADED
    if container.state == "restarting" or container.health == "unhealthy":
        return Health.DEGRADED
    return Health.PROGRESSING if container.health == "starting" else Health.HEALTHY


def crashed(project: Project, observed: Observed) -> list[str]:
    """The containers of the project that ended by themselves and badly, or are unhealthy, by name."""
    return [
        c.name
        for c in observed.containers
        if c.service in project.services
        and not c.oneoff
        and (
            c.health == "unhealthy"
            or c.state == "restarting"
            or (c.state == "exited" and c.exit_code not in {0, 137, 143})
        )
    ]


def bounded(plan: Plan, seconds: float) -> Plan:
    """The plan with an end to every wait."""
    steps = tuple(
        step._replace(action=step.action._replace(timeout_seconds=seconds))
        if isinstance(step.action, WaitFor) and step.action.timeout_seconds is None
        else step
        for step in plan.steps
    )
    return plan._replace(steps=steps)
