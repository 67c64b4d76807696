"""Steps for the containers of one service: created, replaced, updated in place, started, removed; each with its why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.graph.address import Address, Kind
from engine.graph.build import image_of
from engine.plan.desired import DesiredContainer
from engine.plan.diff.containers import CONTENT, ContainerDiff, diff_container, recorded, was_applied
from engine.plan.diff.endpoints import EndpointDiff, diff_endpoints
from engine.plan.diff.fields import Fields, fields_of
from engine.plan.diff.mounts import anonymous_volumes, mount_fields
from engine.plan.draft import Draft
from engine.plan.endings import has_done_its_work
from engine.plan.faults import Unplannable
from engine.plan.ignored import Ignored
from engine.plan.lower.containers import Lowering, shared_services
from engine.plan.lower.naming import CONFIG_HASH
from engine.plan.objects import network_addresses, volume_addresses
from engine.plan.observed import Ending, LiveContainer, Observed
from engine.plan.options import PlanOptions
from engine.plan.providers import provider_of
from engine.plan.replicas import match_replicas
from engine.plan.steps import (
    CONDITIONS,
    ConnectNetwork,
    CreateContainer,
    DisconnectNetwork,
    FieldChange,
    RemoveContainer,
    RenameContainer,
    ReplaceContainer,
    RestartContainer,
    RunHook,
    StartContainer,
    UnpauseContainer,
    UpdateContainer,
    WaitFor,
)
from specs.models import Dependency, Project


@dataclass(slots=True)
class ServicePlanner:
    """Plans service after service, dependencies first. `renewed` are addresses whose container is replaced."""

    draft: Draft
    project: Project
    observed: Observed
    options: PlanOptions
    lowering: Lowering
    targets: frozenset[str]
    renewed_images: set[Address] = field(default_factory=set)
    replaced_networks: set[str] = field(default_factory=set)
    replaced_volumes: set[str] = field(default_factory=set)
    renewed: set[Address] = field(default_factory=set)
    defaults: dict[str, Fields | None] = field(default_factory=dict)
    waits: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    ignored: Ignored = field(default_factory=Ignored)

    def plan(self, key: str) -> None:
        """All steps of one service's containers."""
        service = self.project.services[key]
        if service.provider is not None:
            if self.options.providers and not self.options.images_settled:
                address, action = Address(Kind.SERVICE, key), provider_of(key, service, "up")
                self.draft.add(address, action, "up asks its provider each time", needs=self.needs(key))
            return
        live = [c for c in self.observed.containers if c.service == key and not c.oneoff]
        count = self.options.scale.get(key, service.replicas)
        names = {c.number: self.lowering.naming.container(service, key, c.number) for c in live}
        replicas = match_replicas(live, count, names)
        for double in replicas.doubles:
            self.remove(key, double, "it is left over from a run that was interrupted")
        for extra in replicas.surplus:
            self.remove(key, extra, f"{count} replica{'s' if count != 1 else ''} asked for")
        for number, container in replicas.wanted:
            self.plan_replica(key, number, container)

    def plan_replica(self, key: str, number: int, live: LiveContainer | None) -> None:
        desired = self.lowering.container(key, number)
        if live is None:
            self.check_contents(desired)
            action = CreateContainer(self.lowering.labelled(desired), start=self.options.start)
            self.draft.add(desired.address, action, "it doesn't exist yet", needs=self.needs(key))
            self.renewed.add(desired.address)
            self.after_start(desired)
            return
        diff = self.diff(desired, live)
        because = self.reason_to_replace(key, desired, live, diff) if self.options.recreate else None
        if because is not None:
            self.replace(key, desired, live, diff, because)
        else:
            self.keep(key, desired, live, diff)

    def check_contents(self, desired: DesiredContainer) -> None:
        """Raises Unplannable where a container is to be made without what one of its files is to hold."""
        if desired.withheld and not self.options.unseen:
            first = desired.withheld[0]
            raise Unplannable("no-content", first.why, *first.path, hint=first.hint)

    def diff(self, desired: DesiredContainer, live: LiveContainer) -> ContainerDiff:
        target = self.observed.images.get(desired.image)
        return diff_container(
            desired,
            live,
            skip=self.left_alone(desired, live) if self.ignored else None,
            defaults=self.image_defaults(live.inspect.get("Image") or ""),
            image_id=target["Id"] if target else None,
            capabilities=self.observed.capabilities,
            name_of=self.observed.name_of,
            seal=self.options.seal,
            same_spec=self.is_of_the_same_spec(desired, live),
        )

    def left_alone(self, desired: DesiredContainer, live: LiveContainer) -> Callable[[FieldChange], bool]:
        """Whether a change is one that others may make: ignored, and nothing that the spec has changed since."""
        made = recorded(live)
        applied = {**(made or {}), **self.options.applied.get(live.id, {})}

        def skip(change: FieldChange) -> bool:
            if not self.ignored.matches(desired.address, change.path):
                return False
            if made is None or change.path.startswith(CONTENT):
                # nobody knows what was asked for; a file's content is the file's own
                return True
            return was_applied(applied.get(change.path), change.new, self.options.seal)

        return skip

    def is_of_the_same_spec(self, desired: DesiredContainer, live: LiveContainer) -> bool:
        """Whether Docker Compose made it of this very service, as its hash says: the same was asked for."""
        hashed = live.labels.get(CONFIG_HASH)
        if hashed is None or recorded(live) is not None:
            return False
        return hashed == self.lowering.labelled(desired).labels[CONFIG_HASH]

    def image_defaults(self, image_id: str) -> Fields | None:
        """What an image sets by itself, read once for all its containers; None where the engine has lost it."""
        if image_id not in self.defaults:
            image = self.observed.images.get(image_id)
            self.defaults[image_id] = fields_of(image.get("Config") or {}, {}) if image is not None else None
        return self.defaults[image_id]

    def reason_to_replace(
        self, key: str, desired: DesiredContainer, live: LiveContainer, diff: ContainerDiff
    ) -> str | None:
        if self.options.force_recreate and (key in self.targets or self.options.always_recreate_deps):
            return "--force-recreate asks for it"
        if diff.replace:
            return reason(diff.replace)
        image = image_of(self.project, key, self.project.services[key])
        if image in self.renewed_images:
            return f"{image}, which it runs, is built anew"
        if live.state == "dead":
            return "the engine gave it up as dead"
        for name in (desired.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or ():
            if name in self.replaced_networks:
                return f"its network {name} is made anew"
        for name in self.replaced_volumes:
            if any(
                name in str(line).split() for line in mount_fields(desired.body, desired.body["HostConfig"]).values()
            ):
                return f"its volume {name} is made anew"
        for owner in shared_services(self.project.services[key]):
            if Address(Kind.SERVICE, owner, 1) in self.renewed:
                return f"service.{owner}.1, whose namespace or volumes it shares, is made anew"
        return None

    def replace(
        self, key: str, desired: DesiredContainer, live: LiveContainer, diff: ContainerDiff, because: str
    ) -> None:
        self.check_contents(desired)
        if not self.options.renew_anonymous_volumes:
            desired = carry_volumes(desired, live)
        self.before_stop(desired.address, live, desired)
        labelled = self.lowering.labelled(desired)
        action = ReplaceContainer(live.id, labelled, self.options.start, self.stop_seconds(desired))
        fields = self.spelled(key, diff.replace)
        self.draft.add(desired.address, action, because, fields=fields, needs=self.needs(key))
        self.renewed.add(desired.address)
        self.after_start(desired)

    def keep(self, key: str, desired: DesiredContainer, live: LiveContainer, diff: ContainerDiff) -> None:
        """What can be mended in place, then a start where it is needed."""
        add, address = self.draft.add, desired.address
        if live.name != desired.name and not self.ignored.matches(address, "container_name"):
            change = FieldChange("container_name", live.name, desired.name)
            add(address, RenameContainer(live.id, desired.name), "it has another name", fields=[change])
        if diff.update and self.options.recreate:
            fields = self.spelled(key, diff.update)
            add(address, UpdateContainer(live.id, diff.update_body), reason(diff.update), fields=fields)
        if self.options.recreate:
            for endpoint in diff_endpoints(desired, live):
                if self.ignored.matches(address, self.in_spec(endpoint.change.path)):
                    continue
                self.plan_endpoint(key, address, live, endpoint)
        if not self.options.start:
            return
        ending = self.observed.endings.get(live.id, Ending.ITSELF)
        done = has_done_its_work(self.project, key, live, ending) and key not in self.options.rerun
        if not live.running and not done and not self.ignored.matches(address, "state"):
            self.start(key, desired, live, ending)
        if live.state == "paused" and not self.ignored.matches(address, "state"):
            change = FieldChange("state", live.state, "running")
            add(address, UnpauseContainer(live.id), "it is paused", fields=[change], needs=self.needs(key))
        if live.running and (owner := self.restarted_dependency(key)):
            self.before_stop(address, live, desired)
            why = f"service {owner}, which it depends on with restart: true, is made anew"
            add(address, RestartContainer(live.id, self.stop_seconds(desired)), why, needs=self.needs(key))
            self.after_start(desired)

    def start(self, key: str, desired: DesiredContainer, live: LiveContainer, ending: Ending) -> None:
        code = live.exit_code
        because = "--rerun asks for it" if key in self.options.rerun else f"it is {live.state}"
        if live.state == "exited" and code:
            because += f" with code {code}"
        elif live.state == "exited" and because.startswith("it is"):
            because = WHY_AGAIN[ending]
        change = FieldChange("state", live.state, "running")
        self.draft.add(desired.address, StartContainer(live.id), because, fields=[change], needs=self.needs(key))
        self.after_start(desired)

    def in_spec(self, path: str) -> str:
        """`networks.shop_front.aliases` → `networks.front.aliases`: the spec's name for a network."""
        for key, network in self.project.networks.items():
            if network.name and f"{path}.".startswith(f"networks.{network.name}."):
                return f"networks.{key}{path.removeprefix(f'networks.{network.name}')}"
        return path

    def plan_endpoint(self, key: str, address: Address, live: LiveContainer, diff: EndpointDiff) -> None:
        networks = self.draft.on(*network_addresses(self.project, key))
        because = f"it is {'attached otherwise' if diff.connect and diff.disconnect else 'not attached'}"
        if diff.connect is None:
            because = "the spec doesn't attach it"
        fields = [diff.change]
        if diff.disconnect:
            self.draft.add(address, DisconnectNetwork(live.id, diff.network), because, fields=fields)
            fields = []
        if diff.connect is not None:
            action = ConnectNetwork(live.id, diff.network, diff.connect)
            self.draft.add(address, action, because, fields=fields, needs=networks)

    def remove(self, key: str, live: LiveContainer, because: str) -> None:
        address = Address(Kind.SERVICE, key, live.number)
        self.before_stop(address, live, self.lowering.container(key, live.number))
        self.draft.add(address, RemoveContainer(live.id, self.options.stop_seconds), because)

    def before_stop(self, address: Address, live: LiveContainer, desired: DesiredContainer) -> None:
        if live.state == "running":
            for hook in desired.pre_stop:
                self.draft.add(address, RunHook(live.id, hook), "pre_stop hook")

    def after_start(self, desired: DesiredContainer) -> None:
        if self.options.start:
            for hook in desired.post_start:
                self.draft.add(desired.address, RunHook(desired.name, hook), "post_start hook")

    def stop_seconds(self, desired: DesiredContainer) -> float | None:
        return self.options.stop_seconds if self.options.stop_seconds is not None else desired.stop_seconds

    def needs(self, key: str) -> list[int]:
        """Steps that a start of this service comes after; waits are added when first asked for."""
        service = self.project.services[key]
        found = self.draft.on(
            image_of(self.project, key, service),
            *network_addresses(self.project, key),
            *volume_addresses(self.project, key),
            *(a for owner in shared_services(service) for a in self.containers(owner)),
        )
        if self.options.start:
            for name, dependency in (service.depends_on or {}).items():
                if name in self.project.services:
                    found += self.wait(name, dependency)
        return found

    def containers(self, key: str) -> list[Address]:
        return [a for a in self.draft.by_address if a.kind is Kind.SERVICE and a.name == key]

    def wait(self, name: str, dependency: Dependency) -> list[int]:
        """Ids that stand for "this dependency has met its condition"; none where it does so already."""
        condition = CONDITIONS.get(dependency.condition)
        if condition is None or self.project.services[name].provider is not None:
            return self.draft.on(*self.containers(name))
        key = (name, condition)
        if key not in self.waits:
            self.waits[key] = [
                self.draft.add(Address(Kind.SERVICE, name, n), WaitFor(c, condition, required=dependency.required), why)
                for n, c, why in self.unmet(name, condition)
            ]
        return self.waits[key]

    def unmet(self, name: str, condition: str) -> list[tuple[int, str, str]]:
        """Number, container name and reason for each replica that doesn't meet the condition now, or won't soon."""
        service, found = self.project.services[name], []
        live = {c.number: c for c in self.observed.containers if c.service == name and not c.oneoff}
        count = self.options.scale.get(name, service.replicas)
        numbers = match_replicas(live.values(), count, {}).wanted
        for number, container in numbers:
            address = Address(Kind.SERVICE, name, number)
            if container is None or self.draft.by_address.get(address) or not meets(container, condition):
                why = "others depend on its health" if condition == "healthy" else "others depend on its completion"
                found.append((number, self.lowering.naming.container(service, name, number), why))
        return found

    def restarted_dependency(self, key: str) -> str | None:
        for name, dependency in (self.project.services[key].depends_on or {}).items():
            if dependency.restart and any(a.kind is Kind.SERVICE and a.name == name for a in self.renewed):
                return name
        return None

    def spelled(self, key: str, changes: tuple[FieldChange, ...]) -> list[FieldChange]:
        """The limits under the key where this spec has them."""
        limits = getattr(self.project.services[key].deploy, "resources", None)
        asked = limits.limits if limits else None
        words: Mapping[str, Any] = {"mem_limit": "memory", "cpus": "cpus", "pids_limit": "pids"}
        return [
            c._replace(path=f"deploy.resources.limits.{words[c.path]}")
            if c.path in words and asked is not None and getattr(asked, words[c.path]) is not None
            else c
            for c in changes
        ]


# Why a container that exited with 0 is started again.
WHY_AGAIN = {
    Ending.TOLD: "it was stopped",
    Ending.BEFORE: "it went down with the engine",
    Ending.ITSELF: "it is exited, and is no one-shot",
}


def reason(changes: tuple[FieldChange, ...]) -> str:
    """`image changed`, `environment and ports changed`, `5 fields changed`."""
    words = list(dict.fromkeys(c.path.partition(".")[0] for c in changes))
    if len(words) > 3:
        return f"{len(changes)} fields changed"
    return f"{', '.join(words[:-1])} and {words[-1]} changed" if len(words) > 1 else f"{words[0]} changed"


def meets(container: LiveContainer, condition: str) -> bool:
    if condition == "healthy":
        return container.state == "running" and container.health == "healthy"
    return container.state == "exited" and container.exit_code == 0


def carry_volumes(desired: DesiredContainer, live: LiveContainer) -> DesiredContainer:
    """The new container takes over the anonymous volumes of the old one, with their data."""
    host = desired.body.get("HostConfig") or {}
    taken = {
        path.removeprefix("volumes.") for path, line in mount_fields(desired.body, host).items() if line != "volume"
    }
    carried = {t: name for t, name in anonymous_volumes(live.inspect).items() if t not in taken}
    if not carried:
        return desired
    binds = [*host.get("Binds", ()), *(f"{name}:{target}" for target, name in sorted(carried.items()))]
    left: dict[str, Any] = {t: {} for t in desired.body.get("Volumes") or () if t not in carried}
    body = {k: v for k, v in desired.body.items() if k != "Volumes"} | ({"Volumes": left} if left else {})
    return desired._replace(body=body | {"HostConfig": {**host, "Binds": binds}})
