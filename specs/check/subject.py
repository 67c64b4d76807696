"""What every rule looks at: the typed project, its nodes, and the report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from specs.losses import Losses
from specs.node import Node
from specs.resolve.refusal import provenance
from specs.source import Related, Report, Span

Service = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    values: Mapping[str, Any]
    root: Node
    report: Report
    disabled: Mapping[str, Collection[str]]
    losses: Losses

    @property
    def services(self) -> Mapping[str, Service]:
        return self.section("services")

    def section(self, kind: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] | None = self.values.get(kind)
        return found or {}

    def node(self, *path: str | int) -> Node | None:
        """The node below, through mappings and lists; None where there is none."""
        node: Node | None = self.root
        for step in path:
            value = node.value if node is not None else None
            if isinstance(value, dict):
                node = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                node = value[step]
            else:
                return None
        return node

    def at(self, *path: str | int) -> Span | None:
        """The place of a value; of its nearest holder where it has none of its own."""
        for length in range(len(path), 0, -1):
            node = self.node(*path[:length])
            if node is not None and node.span is not None:
                return node.span
        return None

    def key(self, *path: str | int) -> Span | None:
        """The place of the key of an entry; of the entry itself where it was made from a list or another key."""
        node = self.node(*path)
        if node is None:
            return self.at(*path)
        if node.key is not None and node.key.value == path[-1] and node.key.span is not None:
            return node.key.span
        return node.span

    def defined(self, kind: str, name: str) -> Span | None:
        return self.key(kind, name)

    def is_written(self, *path: str | int) -> bool:
        node = self.node(*path)
        return node is not None and node.key is not None and node.key.value == path[-1]

    def origin(self, *path: str | int) -> str:
        """` (from ${IMAGE}, not set)` where variables gave a value, or nothing."""
        node = self.node(*path)
        return f" ({provenance(node)})" if node is not None and node.variables else ""

    def related(self, message: str, *path: str | int) -> tuple[Related, ...]:
        span = self.key(*path)
        return (Related(message, span),) if span else ()

    def suggestion(self, kind: str, name: str, known: Iterable[str]) -> str | None:
        """`did you mean "db" (compose.yaml:12:3)?`, or what there is, or how to define one."""
        # the default network is there without having been written
        names = sorted(n for n in known if kind != "networks" or n != "default" or self.is_written(kind, n))
        close = get_close_matches(name, names, 1, 0.5)
        if close:
            span = self.defined(kind, close[0])
            return f'did you mean "{close[0]}"' + (f" ({span})?" if span else "?")
        if names and len(names) <= 8:
            return f"defined are: {', '.join(names)}"
        return f'define it under "{kind}:"' if not names else None


Rule = Callable[[Subject, str, Service], None]
