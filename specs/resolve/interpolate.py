"""Variables into values, text into flags and numbers. Makes the copy of the tree that later phases may change: anchors
are no longer shared after it. Keys are left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from specs.losses import Losses
from specs.node import Node, Variable
from specs.resolve.casts import CASTS, LEGACY, Uncastable, to_flag
from specs.resolve.refusal import Refusal, refusal
from specs.resolve.template import Invalid, Missing, substitute
from specs.source import Report

# More nodes than this from anchors alone, and the file is a bomb: Compose itself would need seconds and gigabytes.
MAX_NODES = 2_000_000


def bad_variable(node: Node, error: Invalid) -> Refusal:
    hint = "write ${NAME}, ${NAME:-default} and the like, or $$ for a $ that is meant as it stands"
    return refusal(node, "bad-variable", str(error), hint)


def missing_variable(node: Node, error: Missing) -> Refusal:
    return refusal(node, "missing-variable", str(error), f"set {error.name}, or give it a default")


@dataclass(slots=True)
class Variables:
    """The values that interpolation sees, and where each was set (`environment`, `.env:3`)."""

    values: dict[str, str]
    places: dict[str, str] = field(default_factory=dict)

    def lookup(self, name: str) -> str | None:
        return self.values.get(name)

    def where(self, name: str) -> str | None:
        return self.places.get(name, "environment") if name in self.values else None

    def under(self, more: dict[str, str], places: dict[str, str]) -> Variables:
        """A copy with more values, that fill gaps only."""
        return Variables(more | self.values, places | self.places)


def given_outside(node: Node, name: str, value: str, variables: Variables) -> Node:
    """A name without a value, with the one that the variable of that name gives it."""
    new = node.at(value)
    new.variables = (Variable(name, variables.where(name)),)
    new.earlier = node
    return new


class Interpolation:
    """One pass over one document."""

    def __init__(
        self, variables: Variables, report: Report, losses: Losses, *, strict: bool, enabled: bool = True
    ) -> None:
        self.variables = variables
        self.report = report
        self.losses = losses
        self.strict = strict
        self.enabled = enabled
        self.warned: set[str] = set()
        self.count = 0
        self.overriding = False
        self.faulty: list[Node] = []

    def document(self, root: Node) -> Node:
        """The copy with its variables filled in, without the nodes that have no value."""
        new = self.copy(root, CASTS)
        if self.faulty:
            self.losses.prune(new, {id(node) for node in self.faulty})
        return new

    def copy(self, node: Node, casts: dict[str, Any] | None) -> Node:
        value = node.value
        kind = type(value)
        if node.tag is not None and not self.overriding:
            return self.tagged(node, casts)
        if kind is str:
            if self.enabled and (casts is not None or "$" in value):
                return self.text(node, value, casts)
        elif kind is dict:
            self.count += len(value)
            if casts is None:
                value = {name: self.copy(child, None) for name, child in value.items()}
            else:
                rest = casts.get("*")
                value = {name: self.copy(child, casts.get(name, rest)) for name, child in value.items()}
        elif kind is list:
            self.count += len(value)
            inner = None if casts is None else casts.get("*")
            value = [self.copy(child, inner) for child in value]
        if self.count > MAX_NODES:
            raise refusal(node, "alias-bomb", "the anchors of this file make it too large")
        new = Node(value, node.start, node.end, node.key)
        new.tag = node.tag
        return new

    def tagged(self, node: Node, casts: dict[str, Any] | None) -> Node:
        """What is reset goes, whatever it holds (take_resets); below an !override such tags mean nothing."""
        if node.tag == "!reset":
            new = Node(None, node.start, node.end, node.key)
            new.tag = node.tag
            return new
        self.overriding = True
        new = self.copy(node, casts)
        self.overriding = False
        return new

    def text(self, node: Node, value: str, casts: dict[str, Any] | None) -> Node:
        new = Node(value, node.start, node.end, node.key)
        new.tag = node.tag
        if "$" in value and not self.expand(node, new, value):
            self.faulty.append(new)
            return new
        if casts is not None and (cast := casts.get("")) is not None:
            try:
                new.value = cast(new.value)
            except Uncastable as error:
                name = "" if new.key is None else f"{new.key.value}: "
                hint = "write true or false" if cast is to_flag else None
                self.fail(new, refusal(new, "wrong-type", f"{name}{error}", hint))
            else:
                if cast is to_flag and value.lower() in LEGACY:
                    message = f'"{value}" is read as {str(new.value).lower()}; write {str(new.value).lower()}'
                    self.report.warning("legacy-boolean", message, new.span)
        return new

    def expand(self, node: Node, new: Node, value: str) -> bool:
        """Fill in the variables of `new`; False where it has no value then."""
        used: list[Variable] = []
        unset: list[str] = []
        try:
            new.value = substitute(value, self.noting(used), unset.append)
        except Invalid as error:
            self.report.diagnostics += bad_variable(node, error).diagnostics
            return False
        except Missing as error:
            if not self.losses.variables:
                self.report.diagnostics += missing_variable(node, error).diagnostics
            return False
        new.variables = tuple(dict.fromkeys(used))
        for name in unset:
            self.unset(name, node)
        return not (unset and (self.strict or self.losses.variables))

    def noting(self, used: list[Variable]) -> Callable[[str], str | None]:
        def lookup(name: str) -> str | None:
            used.append(Variable(name, self.variables.where(name)))
            return self.variables.values.get(name)

        return lookup

    def unset(self, name: str, node: Node) -> None:
        message = f"the variable {name} is not set"
        if self.losses.variables:
            return
        hint = f"set it, or write ${{{name}:-default}}; a $ that is meant as it stands is $$"
        if self.strict:
            self.report.error("unset-variable", message, node.span, hint=hint)
        elif name not in self.warned:
            self.warned.add(name)
            self.report.warning("unset-variable", f"{message}; it counts as empty", node.span, hint=hint)

    def fail(self, node: Node, error: Refusal) -> None:
        self.report.diagnostics += error.diagnostics
        self.faulty.append(node)
