"""What stops a phase: a Refusal carries the Diagnostic to the place that collects."""

from __future__ import annotations

from collections.abc import Iterable

from specs.node import Node
from specs.source import Diagnostic, Related, Severity, Span


class Refusal(Exception):
    """Compose would refuse this too; `diagnostic` says why and where."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(str(diagnostic))


def refusal(
    place: Node | Span | None, code: str, message: str, hint: str | None = None, related: Iterable[Related] = ()
) -> Refusal:
    """A Refusal at a node, with a word about the variables that gave it its value."""
    span = place.span if isinstance(place, Node) else place
    if isinstance(place, Node) and place.variables:
        message += f" ({provenance(place)})"
    return Refusal(Diagnostic(Severity.ERROR, code, message, span, hint, tuple(related)))


def provenance(node: Node) -> str:
    """`from ${PORT}, set in .env:3`"""
    known = [f"from ${{{v.name}}}, " + (f"set in {v.where}" if v.where else "not set") for v in node.variables]
    return "; ".join(dict.fromkeys(known))
