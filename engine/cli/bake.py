"""`build --print`: the builds as the JSON file that `docker buildx bake` takes, as Docker Compose prints it.

Source: docker/compose, pkg/compose/build_bake.go.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from engine.builders.context import is_remote
from engine.graph.dockerfiles import images_below
from engine.plan.lower.naming import COMPOSE, COMPOSE_VERSION, PROJECT, SERVICE, Naming
from specs.models import Build, Project

SERVICE_CONTEXT, TARGET = "service:", "target:"


def bake_file(project: Project, keys: Iterable[str], naming: Naming, *, push: bool, pull: bool, no_cache: bool) -> Any:
    """A target for each of these services that has a build, and for each entry of `images:` that they or their builds
    are made of; and a group of the services' own.
    """
    targets: dict[str, Any] = {}
    wanted: list[str] = []
    for key in keys:
        service = project.services[key]
        entry = service.image if service.image in project.images else None
        if entry is not None and project.images[entry].build is not None:
            wanted.append(entry_name(entry))
        elif entry is None and service.build is not None:
            wanted.append(target_name(key))
            tags = [*(service.build.tags or ()), naming.image(project, service, key)]
            targets[target_name(key)] = bake_target(
                project, service.build, tags, key, push=push and bool(service.image)
            )
    for name, image in project.images.items():
        if image.build is not None:
            tags = [image.reference, *(image.tags or ())]
            targets[entry_name(name)] = bake_target(project, image.build, tags, push=push and bool(image.push))
    needed = reachable(targets, wanted)
    for target in targets.values():
        target |= {name: True for name, asked in (("pull", pull), ("no-cache", no_cache)) if asked}
    cleaned = {name: {k: v for k, v in targets[name].items() if v} for name in targets if name in needed}
    return {"group": {"default": {"targets": list(dict.fromkeys(wanted))}}, "target": cleaned}


def reachable(targets: Mapping[str, Any], wanted: Iterable[str]) -> set[str]:
    """These targets, and those that their contexts name."""
    todo, found = list(wanted), set()
    while todo:
        name = todo.pop()
        if name in targets and name not in found:
            found.add(name)
            contexts = targets[name]["contexts"].values()
            todo += [value.removeprefix(TARGET) for value in contexts if value.startswith(TARGET)]
    return found


def bake_target(project: Project, build: Build, tags: list[str], service: str = "", *, push: bool) -> dict[str, Any]:
    """Every key that the file may have; what is empty is to be left out."""
    several = len(build.platforms or ()) > 1
    output = f"type=image,push={str(push).lower()}" if several else "type=registry" if push else "type=docker"
    privileged = ["security.insecure"] if build.privileged else []
    return {
        "context": build.context or "",
        "contexts": {
            **{name: context_of(project, name) for name in images_below(project, build)},
            **{name: context_of(project, value) for name, value in (build.additional_contexts or {}).items()},
        },
        "dockerfile": dockerfile_of(build),
        "dockerfile-inline": (build.dockerfile_inline or "").replace("${", "$${"),
        "args": {name: (value or "").replace("${", "$${") for name, value in (build.args or {}).items()},
        "labels": {
            **(build.labels or {}),
            PROJECT: project.name,
            **({SERVICE: service} if service else {}),
            f"{COMPOSE}version": COMPOSE_VERSION,
        },
        "tags": tags,
        "cache-from": build.cache_from,
        "cache-to": build.cache_to,
        "target": build.target,
        "secret": secrets_of(project, build),
        "pull": build.pull,
        "no-cache": build.no_cache,
        "ssh": build.ssh,
        "platforms": build.platforms,
        "network": build.network,
        # as text: so it is in bake's own file
        "shm-size": str(build.shm_size or ""),
        "ulimits": [f"{name}={limit}" for name, limit in limits_of(build)],
        "entitlements": list(dict.fromkeys([*(build.entitlements or ()), *privileged])),
        "extra-hosts": hosts_of(build),
        "output": [output],
    }


def target_name(key: str) -> str:
    """bake takes no dot in a name."""
    return key.replace(".", "_")


def entry_name(name: str) -> str:
    """Of an entry of `images:`, which may be called as a service is."""
    return f"image_{target_name(name)}"


def context_of(project: Project, value: str) -> str:
    """`service:base`, and names under `images:`, are targets too; what bake can't build is taken by its reference."""
    if value.startswith(SERVICE_CONTEXT):
        return f"{TARGET}{target_name(value.removeprefix(SERVICE_CONTEXT))}"
    if value in project.images:
        image = project.images[value]
        return f"docker-image://{image.reference}" if image.build is None else f"{TARGET}{entry_name(value)}"
    return value


def dockerfile_of(build: Build) -> str:
    """Whole where the context is a folder, with the links of its own folder followed."""
    name, context = build.dockerfile or "", build.context or ""
    if not name or is_remote(context):
        return name
    folder, base = os.path.split(os.path.join(context, name))
    return os.path.join(os.path.realpath(folder) if os.path.isdir(folder) else os.path.normpath(folder), base)


def secrets_of(project: Project, build: Build) -> list[str]:
    found = []
    for reference in build.secrets or ():
        secret, source = project.secrets.get(reference.source or ""), reference.source or ""
        id = reference.target or source
        if secret is not None and secret.environment:
            found.append(f"id={id},type=env,env={secret.environment}")
        elif secret is not None and secret.file:
            found.append(f"id={id},type=file,src={secret.file}")
    return found


def limits_of(build: Build) -> Iterable[tuple[str, str]]:
    for name, limit in (build.ulimits or {}).items():
        yield name, str(limit.single) if limit.single else f"{limit.soft or 0}:{limit.hard or 0}"


def hosts_of(build: Build) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for entry in build.extra_hosts or ():
        host, _, address = entry.partition("=")
        found.setdefault(host, []).append(address)
    return {host: ",".join(addresses) for host, addresses in found.items()}
