"""Plans of the plain verbs: start, stop, restart, kill, pause, unpause, rm. Over what exists; nothing is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from engine.graph.address import Address, Kind
from engine.plan.draft import Draft
from engine.plan.lower.containers import grace_seconds, hook
from engine.plan.observed import LiveContainer, Observed
from engine.plan.order import needs_of, select
from engine.plan.steps import (
    CONDITIONS,
    Action,
    FieldChange,
    KillContainer,
    PauseContainer,
    Plan,
    RemoveContainer,
    RestartContainer,
    RunHook,
    StartContainer,
    StopContainer,
    UnpauseContainer,
    WaitFor,
)
from specs.models import Project


@dataclass(slots=True)
class Lifecycle:
    """One verb over the containers of some services (all, where none is named)."""

    project: Project
    observed: Observed
    services: tuple[str, ...] = ()
    draft: Draft = field(default_factory=Draft)
    keys: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = select(self.project, self.services, deps=False)

    def finished(self) -> Plan:
        return Plan(self.project.name, self.observed.engine, tuple(self.draft.steps))

    def containers(self, key: str) -> list[LiveContainer]:
        return [c for c in self.observed.containers if c.service == key and not c.oneoff]

    def start(self) -> Plan:
        """Dependencies first, each dependent after the condition that it waits for."""
        for key in self.keys:
            for live in self.containers(key):
                if live.running:
                    continue
                change = FieldChange("state", live.state, "running")
                self.add(live, StartContainer(live.id), "start asks for it", fields=[change], needs=self.ready(key))
                for model in self.project.services[key].post_start or ():
                    self.add(live, RunHook(live.id, hook(model)), "post_start hook")
        return self.finished()

    def ready(self, key: str) -> list[int]:
        found = []
        for name, dependency in (self.project.services[key].depends_on or {}).items():
            for live in self.containers(name):
                condition = CONDITIONS.get(dependency.condition)
                if condition is None:
                    found += self.draft.on(address_of(live))
                else:
                    action = WaitFor(live.name, condition, dependency.required)
                    found.append(self.add(live, action, f"{key} depends on it"))
        return found

    def stop(self, stop_seconds: float | None) -> Plan:
        """Dependents first."""
        for key in reversed(self.keys):
            dependents = self.steps_on(k for k in self.keys if key in needs_of(self.project.services[k]))
            for live in self.containers(key):
                if live.running:
                    self.before_stop(key, live, dependents)
                    action = StopContainer(live.id, self.grace(key, stop_seconds))
                    change = FieldChange("state", live.state, "exited")
                    self.add(live, action, "stop asks for it", fields=[change], needs=dependents)
        return self.finished()

    def restart(self, stop_seconds: float | None, *, dependents: bool = True) -> Plan:
        """Dependencies first; with `dependents` also those that depend on one of them with `restart: true`."""
        for key in self.with_dependents() if dependents else self.keys:
            needs = self.steps_on(needs_of(self.project.services[key]))
            for live in self.containers(key):
                self.before_stop(key, live, needs)
                action = RestartContainer(live.id, self.grace(key, stop_seconds))
                self.add(live, action, "restart asks for it", needs=needs)
                for model in self.project.services[key].post_start or ():
                    self.add(live, RunHook(live.id, hook(model)), "post_start hook")
        return self.finished()

    def with_dependents(self) -> list[str]:
        found, services = set(self.keys), self.project.services
        while more := {
            key
            for key in services.keys() - found
            if any(d.restart and name in found for name, d in (services[key].depends_on or {}).items())
        }:
            found |= more
        return select(self.project, found, deps=False) if found else []

    def kill(self, signal: str, *, orphans: bool = False) -> Plan:
        """With `orphans` also the containers whose service the file doesn't know, in any profile."""
        if orphans:
            known = self.project.services.keys() | self.project.disabled_services.keys()
            self.keys += sorted({c.service for c in self.observed.containers if not c.oneoff} - known)
        return self.each(lambda live: live.running, lambda live: KillContainer(live.id, signal), f"kill with {signal}")

    def pause(self) -> Plan:
        return self.each(
            lambda live: live.state == "running", lambda live: PauseContainer(live.id), "pause asks for it"
        )

    def unpause(self) -> Plan:
        return self.each(
            lambda live: live.state == "paused", lambda live: UnpauseContainer(live.id), "unpause asks for it"
        )

    def remove(self, *, running: bool, volumes: bool, stop_seconds: float | None) -> Plan:
        """Stopped containers; with `running`, all of them, stopped first."""
        for key in reversed(self.keys):
            dependents = self.steps_on(k for k in self.keys if key in needs_of(self.project.services[k]))
            for live in self.containers(key):
                if running or not live.running:
                    action = RemoveContainer(live.id, self.grace(key, stop_seconds), volumes)
                    self.add(live, action, "rm asks for it", needs=dependents)
        return self.finished()

    def each(
        self, wanted: Callable[[LiveContainer], bool], action: Callable[[LiveContainer], Action], because: str
    ) -> Plan:
        for key in self.keys:
            for live in filter(wanted, self.containers(key)):
                self.add(live, action(live), because)
        return self.finished()

    def before_stop(self, key: str, live: LiveContainer, needs: list[int]) -> None:
        if live.state == "running":
            for model in self.project.services[key].pre_stop or ():
                self.add(live, RunHook(live.id, hook(model)), "pre_stop hook", needs=needs)

    def add(
        self,
        live: LiveContainer,
        action: Action,
        because: str,
        *,
        fields: Iterable[FieldChange] = (),
        needs: Iterable[int] = (),
    ) -> int:
        return self.draft.add(address_of(live), action, because, fields=fields, needs=needs)

    def steps_on(self, keys: Iterable[str]) -> list[int]:
        return [n for key in keys for live in self.containers(key) for n in self.draft.on(address_of(live))]

    def grace(self, key: str, asked: float | None) -> float | None:
        return grace_seconds(self.project.services[key], asked)


def address_of(live: LiveContainer) -> Address:
    return Address(Kind.SERVICE, live.service, live.number)
