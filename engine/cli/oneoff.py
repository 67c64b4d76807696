"""A container beside the service: the project and the plan for one run of `run`. Pure but for what options name.

The planner makes it as it makes any replica; what is different about it is said here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine.api.errors import InvalidArgument
from engine.plan.desired import DesiredContainer
from engine.plan.lower.naming import COMPOSE, ONEOFF
from engine.plan.observed import Observed
from engine.plan.steps import CreateContainer, Plan, Step
from specs import dotenv
from specs.models import Mount, Project, Service, Volume
from specs.models.service import Port
from specs.node import Node, plain
from specs.resolve.refusal import Refusal
from specs.resolve.short import parse_mount, parse_ports, split_command, unknown_options

SLUG = f"{COMPOSE}slug"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OneOff:
    """What `run` was asked for; `name` is the container's, `slug` the random part of it."""

    service: str
    name: str
    slug: str
    command: tuple[str, ...] = ()
    entrypoint: str | None = None
    environment: Mapping[str, str | None] | None = None
    labels: Mapping[str, str] | None = None
    publish: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    service_ports: bool = False
    use_aliases: bool = False
    user: str | None = None
    workdir: str | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    deps: bool = True
    tty: bool = False
    stdin: bool = False
    remove: bool = False


def oneoff_project(project: Project, run: OneOff) -> Project:
    """The project with the service as this run wants it: one container of its own name, that nothing restarts."""
    service = project.services.get(run.service) or project.disabled_services.get(run.service)
    if service is None:
        raise InvalidArgument(f"no such service: {run.service}")
    mounts = [mount_of(text, project) for text in run.volumes]
    changed = service.model_copy(
        update={
            **container_changes(service, run),
            "ports": ports_of(service, run) or None,
            "volumes": [*kept(service, mounts), *mounts] or None,
            "container_name": run.name,
            "scale": 1,
            "deploy": without_restart(service),
            "restart": None,
            "depends_on": service.depends_on if run.deps else None,
            "post_start": None,
            "pre_stop": None,
        }
    )
    return project.model_copy(
        update={
            "services": {**project.services, run.service: changed},
            "volumes": {**project.volumes, **named(mounts, project)},
        }
    )


def keys_given(run: OneOff) -> frozenset[str]:
    """The service's keys that this run says itself."""
    asked = {
        "container_name": run.name,
        "command": run.command or run.entrypoint is not None,
        "entrypoint": run.entrypoint is not None,
        "environment": run.environment,
        "labels": run.labels,
        "ports": run.publish,
        "volumes": run.volumes,
        "user": run.user,
        "working_dir": run.workdir,
        "cap_add": run.cap_add,
        "cap_drop": run.cap_drop,
    }
    return frozenset(key for key, value in asked.items() if value)


def container_changes(service: Service, run: OneOff) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "environment": {**(service.environment or {}), **(run.environment or {})},
        "labels": {**(service.labels or {}), **(run.labels or {})},
        "tty": run.tty,
        "stdin_open": run.stdin,
        "cap_add": [*(service.cap_add or ()), *run.cap_add] or None,
        "cap_drop": [*(service.cap_drop or ()), *run.cap_drop] or None,
    }
    if run.entrypoint is not None:
        # another entrypoint makes the service's own command meaningless
        changes |= {"entrypoint": parsed(split_command, run.entrypoint, "--entrypoint"), "command": []}
    if run.command:
        changes["command"] = list(run.command)
    if run.user is not None:
        changes["user"] = run.user
    if run.workdir is not None:
        changes["working_dir"] = run.workdir
    return changes


def without_restart(service: Service) -> Any:
    if service.deploy is None:
        return None
    return service.deploy.model_copy(update={"restart_policy": None, "replicas": None})


def ports_of(service: Service, run: OneOff) -> list[Port]:
    asked = [
        Port.model_validate(plain(node)) for text in run.publish for node in parsed(parse_ports, text, "--publish")
    ]
    return [*(service.ports or () if run.service_ports else ()), *asked]


def mount_of(text: str, project: Project) -> Mount:
    mount = Mount.model_validate(plain(parsed(parse_mount, text, "--volume")))
    if words := unknown_options(text):
        print(f"warning: --volume {text}: the option {', '.join(words)} means nothing", file=sys.stderr)
    if mount.type == "bind" and mount.source is not None:
        mount.source = os.path.abspath(os.path.expanduser(mount.source))
    return mount


def kept(service: Service, mounts: Iterable[Mount]) -> list[Mount]:
    """The service's mounts, but for the places that the command line takes."""
    taken = {mount.target for mount in mounts}
    return [mount for mount in service.volumes or () if mount.target not in taken]


def named(mounts: Iterable[Mount], project: Project) -> dict[str, Volume]:
    """Volumes that only the command line names, under the very name that it gives."""
    names = [m.source for m in mounts if m.type == "volume" and m.source]
    return {name: Volume(name=name) for name in names if name not in project.volumes}


def parsed(parse: Callable[[Node], T], text: str, flag: str) -> T:
    try:
        return parse(Node(text))
    except Refusal as refusal:
        raise InvalidArgument(f"{flag}: {refusal.diagnostic.message}") from None


def beside(observed: Observed, service: str) -> Observed:
    """What stands, without the service's own containers: the run is none of their replicas."""
    return observed._replace(containers=tuple(c for c in observed.containers if c.service != service or c.oneoff))


def oneoff_plan(plan: Plan, run: OneOff) -> Plan:
    """The plan with the run's container labelled as what it is, and created only: its start is the caller's."""
    return plan._replace(steps=tuple(changed(step, run) for step in plan.steps))


def shared_plan(plan: Plan, service: str) -> Plan:
    """What of the plan is not the run's own container."""
    return plan._replace(
        steps=tuple(s for s in plan.steps if not (isinstance(s.action, CreateContainer) and s.address.name == service))
    )


def changed(step: Step, run: OneOff) -> Step:
    action = step.action
    if not isinstance(action, CreateContainer) or step.address.name != run.service:
        return step
    # none of the service's replicas, so without a number
    return step._replace(
        address=step.address._replace(replica=0),
        action=CreateContainer(desired_run(action.desired, run), start=False),
        because="run asks for it",
    )


def desired_run(desired: DesiredContainer, run: OneOff) -> DesiredContainer:
    host = {**desired.body["HostConfig"], "AutoRemove": run.remove}
    body = {**desired.body, "HostConfig": host, "AttachStdin": run.stdin, "StdinOnce": run.stdin}
    if not run.use_aliases and "NetworkingConfig" in body:
        networks = body["NetworkingConfig"]["EndpointsConfig"]
        endpoints = {name: {**settings, "Aliases": []} for name, settings in networks.items()}
        body["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    return desired._replace(body=body, labels={**desired.labels, ONEOFF: "True", SLUG: run.slug})


def environment_of(files: Iterable[str], entries: Iterable[str]) -> dict[str, str | None]:
    """Files first, then `NAME=VALUE`; `NAME` alone takes this process's value, or unsets it."""
    found: dict[str, str | None] = {}
    for file in files:
        try:
            settings = dotenv.parse(Path(file).read_text(), os.environ.get)
        except dotenv.BadLine as error:
            raise InvalidArgument(f"{file}: {error}") from None
        found |= {name: setting.value for name, setting in settings.items()}
    for entry in entries:
        name, equals, value = entry.partition("=")
        found[name] = value if equals else os.environ.get(name)
    return found
