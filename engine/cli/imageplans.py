"""Plans of `build`, `pull` and `push`: one step an image, each image once, after the images that it is made of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.api.errors import InvalidArgument
from engine.graph.address import Address, Kind
from engine.graph.build import image_of
from engine.graph.dockerfiles import images_below
from engine.plan.draft import Draft
from engine.plan.images import key_of, plan_pushes
from engine.plan.lower.naming import Naming
from engine.plan.observed import Observed
from engine.plan.steps import BuildImage, Plan, PullImage, PushImage
from specs.models import Build, Project

SERVICE = "service:"


@dataclass(slots=True)
class ImagePlan:
    """One plan being made. `notes` are said of services that have nothing to do; `optional` steps may fail."""

    project: Project
    observed: Observed
    separator: str = "-"
    draft: Draft = field(default_factory=Draft)
    notes: list[str] = field(default_factory=list)
    optional: set[int] = field(default_factory=set)

    @property
    def naming(self) -> Naming:
        return Naming(self.project.name, self.separator)

    def finished(self) -> Plan:
        return Plan(self.project.name, self.observed.engine, tuple(self.draft.steps))

    def reference(self, key: str) -> str:
        return self.naming.image(self.project, self.project.services[key], key)

    def build_service(self, key: str, path: tuple[str, ...] = ()) -> list[int]:
        """The step that makes the service's image, if it has a build, after those of the images it is made of."""
        service = self.project.services[key]
        if service.image in self.project.images:
            return self.build_entry(service.image, path)
        address = image_of(self.project, key, service)
        if service.build is None or self.draft.by_address.get(address):
            return self.draft.on(address)
        needs = self.bases(service.build, (*path, f"{SERVICE}{key}"))
        return [
            self.draft.add(
                address, BuildImage(key, self.reference(key), service=True), "build asks for it", needs=needs
            )
        ]

    def build_entry(self, name: str, path: tuple[str, ...] = ()) -> list[int]:
        """The same for an entry of `images:`, which is pushed where it says so; one that is pulled has no step."""
        image, address = self.project.images[name], Address(Kind.IMAGE, name)
        if image.pull is not None or self.draft.by_address.get(address):
            return self.draft.on(address)
        needs = self.bases(image.build, (*path, name)) if image.build else []
        self.draft.add(address, BuildImage(name, image.reference), "build asks for it", needs=needs)
        plan_pushes(self.draft, address, image, None)
        return self.draft.on(address)

    def bases(self, build: Build, path: tuple[str, ...]) -> list[int]:
        if len(set(path)) < len(path):
            raise InvalidArgument(f"these images are made of each other: {' → '.join(path)}")
        needs = []
        for value in (build.additional_contexts or {}).values():
            if value.startswith(SERVICE) and value.removeprefix(SERVICE) in self.project.services:
                needs += self.build_service(value.removeprefix(SERVICE), path)
            elif value in self.project.images:
                needs += self.build_entry(value, path)
        for name in images_below(self.project, build):
            needs += self.build_entry(name, path)
        return needs

    def push_service(self, key: str) -> None:
        """Push what the service's build made, under all its names; after its build where that is in the plan."""
        service = self.project.services[key]
        address, key_file = image_of(self.project, key, service), ""
        if service.image in self.project.images:
            image = self.project.images[service.image]
            references, key_file = (
                [] if image.pull is not None else [image.reference, *(image.tags or ())],
                key_of(image),
            )
        elif service.build is None or not service.image:
            self.notes.append(f"{key}: nothing to push: it has {'no image name' if service.build else 'no build'}")
            return
        else:
            references = [service.image, *(service.build.tags or ())]
        done = {s.action.reference for s in self.draft.steps if isinstance(s.action, PushImage)}
        for reference in dict.fromkeys(references):
            if reference not in done:
                self.draft.add(address, PushImage(reference, key_file), "push asks for it")

    def pull_service(self, key: str, *, policy: str | None, buildable: bool) -> None:
        """Pull the service's image, unless it is made here, its policy says never, or missing and it is there."""
        service = self.project.services[key]
        if service.provider is not None:
            self.notes.append(f"{key}: nothing to pull: a provider has no image")
            return
        entry = self.project.images.get(service.image or "")
        if entry is not None and entry.pull is None:
            self.notes.append(f"{key}: nothing to pull: its image is built here")
            return
        reference = entry.pull if entry is not None and entry.pull is not None else self.reference(key)
        builds = entry is None and service.build is not None
        if builds and (not service.image or not buildable):
            self.notes.append(f"{key}: nothing to pull: its image is built here")
            return
        asked = policy or (entry.policy if entry else service.pull_policy) or "always"
        if asked in {"never", "build"}:
            self.notes.append(f"{key}: not pulled: its pull policy is {asked}")
            return
        if asked in {"missing", "if_not_present"} and self.observed.images.get(reference) is not None:
            self.notes.append(f"{key}: not pulled: the engine has {reference}")
            return
        action = PullImage(reference, service.platform or "", key_of(entry) if entry is not None else "")
        if not any(s.action == action for s in self.draft.steps):
            number = self.draft.add(image_of(self.project, key, service), action, "pull asks for it")
            if builds:
                self.optional.add(number)


def with_build_changes(project: Project, keys: Iterable[str], args: Mapping[str, str], **changes: Any) -> Project:
    """The project with the builds of these services, and every build under `images:`, changed as the flags say."""

    def changed(build: Build | None) -> Build | None:
        return None if build is None else build.model_copy(update={"args": {**(build.args or {}), **args}, **changes})

    wanted = set(keys)
    services = {
        key: service.model_copy(update={"build": changed(service.build)}) if key in wanted else service
        for key, service in project.services.items()
    }
    images = {name: image.model_copy(update={"build": changed(image.build)}) for name, image in project.images.items()}
    return project.model_copy(update={"services": services, "images": images})


def arguments_of(entries: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE`; `NAME` alone takes this process's value, and is left out where there is none."""
    found = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found
