"""What objects are called and how they are labelled, as Docker Compose does it, so that each tool sees the other's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # commands that only look take the labels' names from here, and can't wait for the models to be built
    from specs.models import Project, Service

COMPOSE = "com.docker.compose."
OURS = "io.rorqual."
PROJECT = f"{COMPOSE}project"
SERVICE = f"{COMPOSE}service"
NUMBER = f"{COMPOSE}container-number"
ONEOFF = f"{COMPOSE}oneoff"
CONFIG_HASH = f"{COMPOSE}config-hash"
DEPENDS_ON = f"{COMPOSE}depends_on"
IMAGE = f"{COMPOSE}image"
APPLIED = f"{OURS}applied"
# On a container: which of its variables a provider gave (plan.providers).
PROVIDED = f"{OURS}provided"
# On an image that a builder of ours made: the key of what it was made from.
CONTENT = f"{OURS}content"
# The Compose version whose labels and hashes these are: tools compare it, and it is no version of ours.
COMPOSE_VERSION = "2.40.3"


@dataclass(frozen=True, slots=True)
class Naming:
    """Names within one project; `separator` is `_` under --compatibility."""

    project: str
    separator: str = "-"

    def container(self, service: Service, key: str, number: int) -> str:
        return service.container_name or self.separator.join((self.project, key, str(number)))

    def image(self, project: Project, service: Service, key: str) -> str:
        """The reference that a service runs: an entry of `images:`, its `image:`, or the name of its own build."""
        if service.image in project.images:
            return project.images[service.image].reference
        return service.image or self.separator.join((self.project, key))


def project_labels(project: Project) -> dict[str, str]:
    return {
        PROJECT: project.name,
        f"{COMPOSE}project.config_files": ",".join(project.files),
        f"{COMPOSE}project.working_dir": project.working_dir,
        f"{COMPOSE}version": COMPOSE_VERSION,
    }


def is_tool_label(name: str) -> bool:
    """Whether a label belongs to Compose or to us, and so is no reason to change a container."""
    return name.startswith((COMPOSE, OURS))
