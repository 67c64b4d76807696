"""Steps for networks and volumes: made where missing, made again where they differ, checked where external."""

from __future__ import annotations

from collections.abc import Iterable

from engine.graph.address import Address, Kind
from engine.plan.diff.objects import diff_network, diff_volume
from engine.plan.draft import Draft
from engine.plan.faults import Unplannable
from engine.plan.ignored import Ignored, ignored_of
from engine.plan.lower.endpoints import labelled_network, labelled_volume, lower_network, lower_volume
from engine.plan.observed import Observed
from engine.plan.steps import CreateNetwork, CreateVolume, FieldChange, ReplaceNetwork, ReplaceVolume
from specs.models import Project

PREDEFINED = frozenset({"host", "bridge", "none"})
MISSING = "it doesn't exist yet"
DIFFERS = "it differs from the spec, and the engine can't change it in place"


def plan_networks(draft: Draft, project: Project, keys: Iterable[str], observed: Observed) -> set[str]:
    """Add the steps; return the engine's names of networks that will be made anew."""
    replaced, ignored = set(), ignored_of(project)
    for key in keys:
        desired = lower_network(project, key, project.networks[key])
        live = observed.networks.get(desired.name)
        if desired.external:
            if live is None and desired.name not in PREDEFINED:
                raise missing("network", desired.name, "networks", key)
        elif live is None:
            draft.add(desired.address, CreateNetwork(labelled_network(project, desired)), MISSING)
        elif changes := unignored(ignored, desired.address, diff_network(desired, live)):
            action = ReplaceNetwork(live["Id"], labelled_network(project, desired))
            draft.add(desired.address, action, DIFFERS, fields=changes)
            replaced.add(desired.name)
    return replaced


def plan_volumes(draft: Draft, project: Project, keys: Iterable[str], observed: Observed) -> set[str]:
    """As plan_networks. A volume made anew loses its data: the caller asks before it applies that."""
    replaced, ignored = set(), ignored_of(project)
    for key in keys:
        desired = lower_volume(project, key, project.volumes[key])
        live = observed.volumes.get(desired.name)
        if desired.external:
            if live is None:
                raise missing("volume", desired.name, "volumes", key)
        elif live is None:
            draft.add(desired.address, CreateVolume(labelled_volume(project, desired)), MISSING)
        elif changes := unignored(ignored, desired.address, diff_volume(desired, live)):
            action = ReplaceVolume(labelled_volume(project, desired))
            draft.add(desired.address, action, f"{DIFFERS}: its data is lost", fields=changes)
            replaced.add(desired.name)
    return replaced


def missing(noun: str, name: str, *path: str) -> Unplannable:
    text = f'{noun} "{name}" is declared as external ({".".join(path)}), but does not exist'
    hint = f"create it (docker {noun} create {name}), or leave external out to have it made"
    return Unplannable(f"no-such-{noun}", text, *path, hint=hint)


def unignored(ignored: Ignored, address: Address, changes: list[FieldChange]) -> list[FieldChange]:
    return [change for change in changes if not ignored.matches(address, change.path)]


def used_networks(project: Project, keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(n for key in keys for n in project.services[key].networks or {} if n in project.networks))


def used_volumes(project: Project, keys: Iterable[str]) -> list[str]:
    """The named volumes that these services mount."""
    sources = (m.source for key in keys for m in project.services[key].volumes or () if m.type == "volume")
    return list(dict.fromkeys(s for s in sources if s in project.volumes))


def network_addresses(project: Project, key: str) -> list[Address]:
    return [Address(Kind.NETWORK, name) for name in used_networks(project, [key])]


def volume_addresses(project: Project, key: str) -> list[Address]:
    return [Address(Kind.VOLUME, name) for name in used_volumes(project, [key])]
