"""Whether a container that exited with 0 has done its work, or is a service that is down. Pure.

The engine keeps no word on why a process ended, so it is read off what is at hand: the file, the image, and what
`reconcile.endings` found in the engine's memory. Decision 007.
"""

from __future__ import annotations

from engine.plan.lower.containers import restart_policy
from engine.plan.observed import Ending, LiveContainer
from specs.models import Project


def has_done_its_work(project: Project, key: str, live: LiveContainer, ending: Ending) -> bool:
    """A container that ended well, that nothing tells to go on, and that is no server which went down."""
    if live.state != "exited" or live.exit_code != 0 or goes_on(project, key):
        return False
    if project.services[key].x_rorqual.get("kind") == "job":
        return True
    if ending is Ending.TOLD:
        return False
    if is_said_to_end(project, key):
        return True
    return ending is Ending.ITSELF and not serves(project, key, live)


def goes_on(project: Project, key: str) -> bool:
    policy = (restart_policy(project.services[key]) or {}).get("Name")
    return policy not in {None, "no", "on-failure"}


def is_said_to_end(project: Project, key: str) -> bool:
    """Whether the file itself says that an end is what is wanted of it."""
    return restart_policy(project.services[key]) is not None or "service_completed_successfully" in asked(project, key)


def serves(project: Project, key: str, live: LiveContainer) -> bool:
    """Whether it has what only a server has: ports, a health check; the image's own count too."""
    service, config = project.services[key], live.inspect["Config"]
    return bool(
        service.ports
        or service.expose
        or service.healthcheck
        or "service_healthy" in asked(project, key)
        or config.get("ExposedPorts")
        or (config.get("Healthcheck") or {}).get("Test")
    )


def asked(project: Project, key: str) -> set[str]:
    """The conditions under which others depend on it."""
    return {d.condition for s in project.services.values() for n, d in (s.depends_on or {}).items() if n == key}
