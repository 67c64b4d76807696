"""The tree that text becomes: plain values that remember their places. Made by read, handed through resolve.

A Node's `value` is None, bool, int, float, str, Timestamp, a list of Nodes or a dict of str → Node. Nodes may be shared
(anchors) until interpolation copies them; after that every Node stands in one place only and may be changed.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from specs.source import Span


class Mark(Protocol):
    """A place as the YAML parser gives it: from 0, in code points."""

    @property
    def name(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Timestamp(str):
    """A scalar that YAML reads as a date: Compose has no use for one."""

    __slots__ = ()


class Variable(NamedTuple):
    """A variable that had a say in a value, and where it was set: `environment`, `.env:3`; None: nowhere."""

    name: str
    where: str | None


class Node:
    """One value with its place. `key` is the place of its key in the mapping that holds it.

    `variables` gave it its value; `earlier` is what it replaced, for `explain`; `tag` is !reset or !override.
    """

    __slots__ = ("earlier", "end", "key", "start", "tag", "value", "variables")

    def __init__(self, value: Any, start: Mark | None = None, end: Mark | None = None, key: Node | None = None) -> None:
        self.value = value
        self.start = start
        self.end = end
        self.key = key
        self.tag: str | None = None
        self.variables: tuple[Variable, ...] = ()
        self.earlier: Node | None = None

    @property
    def span(self) -> Span | None:
        if self.start is None or self.end is None:
            return None
        start, end = self.start, self.end
        return Span(start.name, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    @property
    def key_span(self) -> Span | None:
        return self.key.span if self.key is not None else self.span

    def at(self, value: Any) -> Node:
        """A new node with another value at this place."""
        node = Node(value, self.start, self.end, self.key)
        node.variables = self.variables
        node.earlier = self.earlier
        return node

    def get(self, *path: str) -> Node | None:
        """The node below, through mappings; None where there is none."""
        node: Node | None = self
        for part in path:
            if node is None or type(node.value) is not dict:
                return None
            node = node.value.get(part)
        return node

    def __repr__(self) -> str:
        return f"Node({self.value!r})"


def plain(node: Node) -> Any:
    """The bare values below a node, keys sorted as Go prints them."""
    value = node.value
    if type(value) is dict:
        return {key: plain(child) for key, child in sorted(value.items())}
    if type(value) is list:
        # an empty list in an extension is null to Compose
        return [plain(child) for child in value] or None
    return value


def planted(value: Any, at: Node) -> Node:
    """A tree of nodes from bare values, all at the place of `at`."""
    if isinstance(value, dict):
        return at.at({key: child if isinstance(child, Node) else planted(child, at) for key, child in value.items()})
    if isinstance(value, list):
        return at.at([child if isinstance(child, Node) else planted(child, at) for child in value])
    return at.at(value)


def copied(node: Node) -> Node:
    """A deep copy that shares only places."""
    value = node.value
    if type(value) is dict:
        value = {key: copied(child) for key, child in value.items()}
    elif type(value) is list:
        value = [copied(child) for child in value]
    new = node.at(value)
    new.tag = node.tag
    return new


def equal(left: Node, right: Node) -> bool:
    a, b = left.value, right.value
    if type(a) is not type(b):
        return False
    if type(a) is dict:
        return a.keys() == b.keys() and all(equal(child, b[key]) for key, child in a.items())
    if type(a) is list:
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
