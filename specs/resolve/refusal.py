"""What stops a step: a Refusal carries its Diagnostics to the place that collects, and what could be saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from specs.node import Node
from specs.source import Diagnostic, Related, Report, Severity, Span

T = TypeVar("T")


class Refusal(Exception):
    """Compose would refuse this too; `diagnostics` say why and where, `rest` is the result without what is faulty:
    of a mapping, without the keys `lost`.
    """

    def __init__(self, *diagnostics: Diagnostic, rest: Any = None, lost: Sequence[str] = ()) -> None:
        self.diagnostics = diagnostics
        self.rest = rest
        self.lost = lost
        super().__init__(str(diagnostics[0]))

    @property
    def diagnostic(self) -> Diagnostic:
        """The first of them."""
        return self.diagnostics[0]


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


def attempt(report: Report, action: Callable[..., T], *arguments: Any) -> T | None:
    """What the action gives; a refusal goes to the report, and what it could save is given."""
    try:
        return action(*arguments)
    except Refusal as error:
        report.diagnostics += error.diagnostics
        rest: T | None = error.rest
        return rest


def each_of(items: Sequence[Any], action: Callable[[Any], T]) -> list[T]:
    """The action on every item. Raises one Refusal for all that it refuses, with the results of the others."""
    found: list[T] = []
    diagnostics: list[Diagnostic] = []
    for item in items:
        try:
            found.append(action(item))
        except Refusal as error:
            diagnostics += error.diagnostics
            if error.rest is not None:
                found.append(error.rest)
    if diagnostics:
        raise Refusal(*diagnostics, rest=found)
    return found
