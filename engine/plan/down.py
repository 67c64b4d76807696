"""The plan of `down`: what the project's tools created, dependents first, ending with the networks gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.graph.address import Address, Kind
from engine.graph.build import image_of
from engine.plan.draft import Draft
from engine.plan.lower.containers import grace_seconds, hook
from engine.plan.lower.naming import COMPOSE, DEPENDS_ON, PROJECT, Naming
from engine.plan.observed import LiveContainer, Observed
from engine.plan.order import in_order
from engine.plan.providers import dependents, provider_of
from engine.plan.steps import Plan, RemoveContainer, RemoveImage, RemoveNetwork, RemoveVolume, RunHook
from specs.models import Project


@dataclass(frozen=True, slots=True)
class DownOptions:
    """`images` is None, "local" (those built here without a name of their own) or "all"."""

    services: tuple[str, ...] = ()
    volumes: bool = False
    images: str | None = None
    remove_orphans: bool = False
    stop_seconds: float | None = None
    separator: str = "-"


def make_down_plan(name: str, project: Project | None, observed: Observed, options: DownOptions) -> Plan:
    """Everything of project `name`; without a file, by the labels alone."""
    draft = Draft()
    chosen = [c for c in observed.containers if is_ours(c, project, options)]
    plan_containers(draft, project, chosen, options)
    plan_providers(draft, project, options)
    removed = [n for found in draft.by_address.values() for n in found]
    if not options.services:
        plan_networks(draft, name, observed, removed)
        if options.volumes:
            plan_volumes(draft, name, observed, removed)
    if options.images and project is not None:
        plan_images(draft, project, observed, options, removed)
    return Plan(name, observed.engine, tuple(draft.steps))


def is_ours(container: LiveContainer, project: Project | None, options: DownOptions) -> bool:
    """Made by a service of this file in any profile (one-off runs too), or an orphan that the flag names."""
    if options.services:
        return container.service in options.services
    if project is None or options.remove_orphans:
        return True
    return container.service in project.services or container.service in project.disabled_services


def plan_containers(
    draft: Draft, project: Project | None, containers: Iterable[LiveContainer], options: DownOptions
) -> None:
    """Dependents before what they depend on, by the labels that they were created with."""
    by_service: dict[str, list[LiveContainer]] = {}
    for container in containers:
        by_service.setdefault(container.service, []).append(container)
    needs = {key: labelled_needs(found[0].labels) for key, found in by_service.items()}
    for key in reversed(in_order(needs)):
        waits = [n for other in needs if key in needs[other] for n in steps_of(draft, other)]
        for container in by_service[key]:
            plan_container(draft, project, container, waits, options)


def plan_container(
    draft: Draft, project: Project | None, container: LiveContainer, waits: list[int], options: DownOptions
) -> None:
    address = Address(Kind.SERVICE, container.service, container.number)
    service = project.services.get(container.service) if project else None
    grace = options.stop_seconds
    if service is not None:
        grace = grace_seconds(service, grace)
        if container.state == "running" and not container.oneoff:
            for model in service.pre_stop or ():
                draft.add(address, RunHook(container.id, hook(model)), "pre_stop hook", needs=waits)
    action = RemoveContainer(container.id, grace, volumes=options.volumes)
    draft.add(address, action, "down removes it", needs=waits)


def plan_providers(draft: Draft, project: Project | None, options: DownOptions) -> None:
    """After what depends on them; only the file knows them."""
    for key, service in (project.services if project else {}).items():
        if service.provider is not None and (not options.services or key in options.services):
            assert project is not None
            waits = [n for name in dependents(project, key) for n in steps_of(draft, name)]
            action = provider_of(key, service, "down")
            draft.add(Address(Kind.SERVICE, key), action, "down asks its provider", needs=waits)


def steps_of(draft: Draft, key: str) -> list[int]:
    return draft.on(*(a for a in draft.by_address if a.kind is Kind.SERVICE and a.name == key))


def labelled_needs(labels: Mapping[str, str]) -> list[str]:
    """`db:service_healthy:false,cache:…` → ["db", "cache"]."""
    return [entry.partition(":")[0] for entry in (labels.get(DEPENDS_ON) or "").split(",") if entry]


def plan_networks(draft: Draft, name: str, observed: Observed, needs: list[int]) -> None:
    for network, live in sorted(observed.networks.items()):
        labels = live.get("Labels") or {}
        if labels.get(PROJECT) == name:
            address = Address(Kind.NETWORK, labels.get(f"{COMPOSE}network") or network)
            draft.add(address, RemoveNetwork(live["Id"], network), "down removes it", needs=needs)


def plan_volumes(draft: Draft, name: str, observed: Observed, needs: list[int]) -> None:
    for volume, live in sorted(observed.volumes.items()):
        labels = live.get("Labels") or {}
        if labels.get(PROJECT) == name:
            address = Address(Kind.VOLUME, labels.get(f"{COMPOSE}volume") or volume)
            draft.add(address, RemoveVolume(volume), "down --volumes removes it", needs=needs)


def plan_images(draft: Draft, project: Project, observed: Observed, options: DownOptions, needs: list[int]) -> None:
    naming = Naming(project.name, options.separator)
    references = {
        naming.image(project, service, key): key
        for key, service in project.services.items()
        if options.images == "all" or (service.build is not None and service.image is None)
    }
    for reference, key in references.items():
        if observed.images.get(reference) is not None:
            action, because = RemoveImage(reference), f"down --rmi {options.images} removes it"
            draft.add(image_of(project, key, project.services[key]), action, because, needs=needs)
