"""What a loop adds to a project's plan, over what `up` does: leftovers of its own removed, others' left alone, what is
unhealthy restarted. Pure.
"""

from __future__ import annotations

from collections import defaultdict

from engine.graph.address import Address, Kind
from engine.plan.draft import Draft
from engine.plan.lower.naming import COMPOSE, PROJECT
from engine.plan.make import orphans
from engine.plan.objects import used_networks, used_volumes
from engine.plan.observed import Observed
from engine.plan.steps import Plan, RemoveContainer, RemoveNetwork, RestartContainer
from specs.models import Project

LEFT = "it left the repository"


def with_upkeep(
    plan: Plan, project: Project, observed: Observed, *, owned: frozenset[str], prune: bool, restart: bool
) -> Plan:
    """`owned` are addresses (`service.web`, `network.front`) that were put there by whoever asks; with `prune` those
    that the project no longer has are removed, volumes never. `restart` is for containers that are unhealthy.
    """
    draft = Draft(list(plan.steps), list(plan.warnings))
    draft.by_address = defaultdict(list)
    for step in plan.steps:
        draft.by_address[step.address].append(step.id)
    if restart:
        plan_restarts(draft, project, observed)
    if prune:
        removed = plan_leftovers(draft, project, observed, owned)
        plan_left_networks(draft, project, observed, owned, removed)
    return plan._replace(steps=tuple(draft.steps), warnings=tuple(draft.warnings))


def plan_restarts(draft: Draft, project: Project, observed: Observed) -> None:
    for container in observed.containers:
        address = Address(Kind.SERVICE, container.service, container.number)
        known = container.service in project.services and not container.oneoff
        if known and container.running and container.health == "unhealthy" and not draft.by_address.get(address):
            draft.add(address, RestartContainer(container.id), "it is unhealthy")


def plan_leftovers(draft: Draft, project: Project, observed: Observed, owned: frozenset[str]) -> list[int]:
    found = []
    for container in orphans(project, observed):
        if f"service.{container.service}" in owned:
            address = Address(Kind.SERVICE, container.service, container.number)
            found.append(draft.add(address, RemoveContainer(container.id), LEFT))
    return found


def plan_left_networks(
    draft: Draft, project: Project, observed: Observed, owned: frozenset[str], removed: list[int]
) -> None:
    used = {project.networks[key].name or key for key in used_networks(project, project.services)}
    for name, live in sorted(observed.networks.items()):
        labels = live.get("Labels") or {}
        key = labels.get(f"{COMPOSE}network", name)
        if labels.get(PROJECT) == project.name and f"network.{key}" in owned and name not in used:
            needs = removed + [n for ids in draft.by_address.values() for n in ids]
            draft.add(Address(Kind.NETWORK, key), RemoveNetwork(live["Id"], name), LEFT, needs=needs)


def addresses_of(project: Project) -> list[str]:
    """Every object that the project puts on an engine, as `owned` names them."""
    keys = list(project.services)
    return sorted(
        [
            *(f"service.{key}" for key in keys),
            *(f"network.{key}" for key in used_networks(project, keys) if not project.networks[key].external),
            *(f"volume.{key}" for key in used_volumes(project, keys) if not project.volumes[key].external),
        ]
    )
