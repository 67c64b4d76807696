"""The fields that others may change: `x-rorqual: {drift: {ignore: [services.web.deploy.resources, …]}}`.

What is ignored is a difference that somebody made on the host. A change of the spec itself is carried out all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.graph.address import Address, Kind
from specs.models import Project

SECTIONS = {Kind.SERVICE: "services", Kind.NETWORK: "networks", Kind.VOLUME: "volumes"}
# A field as it is compared, and where else a spec may have said it.
SPELLINGS = {
    "mem_limit": ("deploy.resources.limits.memory",),
    "cpus": ("deploy.resources.limits.cpus",),
    "pids_limit": ("deploy.resources.limits.pids",),
    "mem_reservation": ("deploy.resources.reservations.memory",),
    "restart": ("deploy.restart_policy",),
}
CONTENT = ("configs", "secrets", "volumes")


@dataclass(frozen=True, slots=True)
class Ignored:
    """`rules` are paths split into their steps; `*` stands for any one step."""

    rules: tuple[tuple[str, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rules)

    def matches(self, address: Address, path: str) -> bool:
        """Whether a rule names this field of this object, or something that it is part of."""
        section = SECTIONS.get(address.kind)
        if not self.rules or section is None:
            return False
        return any(self.covers((section, address.name, *steps)) for steps in spelled(path))

    def covers(self, steps: tuple[str, ...]) -> bool:
        return any(
            len(rule) <= len(steps) and all(r in ("*", s) for r, s in zip(rule, steps, strict=False))
            for rule in self.rules
        )


def ignored_of(project: Project) -> Ignored:
    drift = project.x_rorqual.get("drift")
    rules = drift.get("ignore") if isinstance(drift, dict) else None
    return Ignored(tuple(split(rule) for rule in rules or () if isinstance(rule, str)) if rules else ())


def split(rule: str) -> tuple[str, ...]:
    """Section, name, key and the rest: a variable or a label may have dots in its own name."""
    return tuple(rule.split("."))


def spelled(path: str) -> Iterator[tuple[str, ...]]:
    """Each way to say the path of a field, in steps: `mem_limit` is `deploy.resources.limits.memory` too."""
    if not path:
        yield ()
        return
    yield tuple(path.split("."))
    for name, others in SPELLINGS.items():
        for other in others:
            if path == name:
                yield tuple(other.split("."))
            elif path == other:
                yield (name,)
    if path.startswith("content."):
        yield from ((word,) for word in CONTENT)
