"""What a value may look like, as data: the schema of the language. One Shape checks nodes and describes itself as JSON
Schema. All choices of Compose are told apart by the type of the value, so a Shape is a table from type to check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from specs.node import Node, Timestamp
from specs.shapes.hints import hint_for

NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
    type(None): "null",
    Timestamp: "a date",
}


class Fault:
    """What is wrong with a node: at its key when `at_key`. `path` is filled in from the inside out.

    `keys` are those that are missing below the node; of an unknown key, the one that was probably meant.
    """

    __slots__ = ("at_key", "code", "hint", "keys", "message", "node", "path")

    def __init__(
        self,
        node: Node,
        code: str,
        message: str,
        hint: str | None = None,
        at_key: bool = False,
        keys: tuple[str, ...] = (),
    ) -> None:
        self.node = node
        self.code = code
        self.message = message
        self.hint = hint
        self.at_key = at_key
        self.keys = keys
        self.path: list[str] = []


Check = Callable[[Node], list[Fault] | None]


class Shape:
    """`checks` maps the type of a value to its check, or to None where any value of that type will do."""

    __slots__ = ("checks", "schema")

    def __init__(self, checks: dict[type, Check | None], schema: dict[str, Any]) -> None:
        self.checks = checks
        self.schema = schema

    def check(self, node: Node) -> list[Fault] | None:
        """The faults of a node, or None."""
        kind = type(node.value)
        try:
            check = self.checks[kind]
        except KeyError:
            return [self.mistyped(node)]
        return None if check is None else check(node)

    def mistyped(self, node: Node) -> Fault:
        kinds = [kind for kind in self.checks if kind in NAMES and not (kind is int and float in self.checks)]
        wanted = " or ".join(NAMES[kind] for kind in kinds)
        message = f"must be {wanted}, not {NAMES.get(type(node.value), 'this')}"
        return Fault(node, "wrong-type", message, hint_for(node, self.checks.keys()))


def integral(node: Node) -> list[Fault] | None:
    if node.value == node.value // 1:
        return None
    return [Fault(node, "wrong-type", "must be an integer, not a number with a fraction")]


STRING = Shape({str: None}, {"type": "string"})
BOOLEAN = Shape({bool: None}, {"type": "boolean"})
INTEGER = Shape({int: None, float: integral}, {"type": "integer"})
NUMBER = Shape({int: None, float: None}, {"type": "number"})
NULL = Shape({type(None): None}, {"type": "null"})
ANY = Shape(dict.fromkeys((str, int, float, bool, list, dict, type(None), Timestamp)), {})


def either(*shapes: Shape) -> Shape:
    """One of several shapes, told apart by type."""
    checks: dict[type, Check | None] = {}
    for shape in shapes:
        checks |= shape.checks
    simple = all(set(shape.schema) == {"type"} and isinstance(shape.schema["type"], str) for shape in shapes)
    if simple:
        return Shape(checks, {"type": [shape.schema["type"] for shape in shapes]})
    return Shape(checks, {"oneOf": [shape.schema for shape in shapes]})


def words(*allowed: str) -> Shape:
    """A string out of a closed list."""
    choices = frozenset(allowed)

    def check(node: Node) -> list[Fault] | None:
        if node.value in choices:
            return None
        close = get_close_matches(node.value, allowed, 1)
        hint = f'did you mean "{close[0]}"?' if close else None
        listed = ", ".join(allowed)
        return [Fault(node, "not-allowed", f"{node.value!r} is not one of {listed}", hint)]

    return Shape({str: check}, {"type": "string", "enum": list(allowed)})


def matching(pattern: str, what: str, words: Collection[str] = ()) -> Shape:
    """A string in which the pattern is found; `words` are those that it mostly is."""
    compiled = re.compile(pattern)

    def check(node: Node) -> list[Fault] | None:
        if compiled.search(node.value):
            return None
        close = get_close_matches(node.value, list(words), 1, 0.6)
        hint = f'did you mean "{close[0]}"?' if close else None
        return [Fault(node, "bad-format", f"{node.value!r} is not {what}", hint)]

    return Shape({str: check}, {"type": "string", "pattern": pattern})


def between(low: int, high: int | None = None) -> Shape:
    """An integer in a range, ends included."""
    bounds = {"minimum": low} if high is None else {"minimum": low, "maximum": high}
    where = f"at least {low}" if high is None else f"between {low} and {high}"

    def check(node: Node) -> list[Fault] | None:
        if type(node.value) is float and (wrong := integral(node)):
            return wrong
        if node.value < low or (high is not None and node.value > high):
            return [Fault(node, "out-of-range", f"must be {where}, not {node.value}")]
        return None

    return Shape({int: check, float: check}, {"type": "integer", **bounds})


def each(item: Shape, *, unique: bool = False) -> Shape:
    """A list of items of one shape."""
    checks = item.checks

    def check(node: Node) -> list[Fault] | None:
        faults: list[Fault] | None = None
        for index, child in enumerate(node.value):
            kind = type(child.value)
            if kind not in checks:
                found: list[Fault] | None = [item.mistyped(child)]
            else:
                inner = checks[kind]
                found = None if inner is None else inner(child)
            if found:
                faults = add(faults, found, str(index))
        if unique and len(node.value) > 1 and (repeated := repetition(node.value)):
            faults = add(faults, [repeated], None)
        return faults

    schema: dict[str, Any] = {"type": "array", "items": item.schema}
    return Shape({list: check}, schema | ({"uniqueItems": True} if unique else {}))


def repetition(items: list[Node]) -> Fault | None:
    """The first item that stands a second time."""
    seen: dict[Any, int] = {}
    numbers = any(type(item.value) in (int, float) for item in items)
    for index, item in enumerate(items):
        key = identity(item)
        if numbers and type(key) in (int, float):
            # Compose's validator takes a number for equal to a text before it, and no text for equal to a number
            key = next((text for text in seen if type(text) is str and same_number(text, key)), key)
        first = seen.setdefault(key, index)
        if first != index:
            return Fault(item, "repeated-item", f"items {first + 1} and {index + 1} of the list are equal")
    return None


def same_number(text: str, number: float) -> bool:
    try:
        return (int(text, 0) if text.lower().startswith("0x") else Fraction(text)) == number
    except (ValueError, ZeroDivisionError, OverflowError):
        return False


def identity(node: Node) -> Any:
    value = node.value
    if type(value) is list:
        return ("list", *(identity(child) for child in value))
    if type(value) is dict:
        return frozenset((key, identity(child)) for key, child in value.items())
    return ("bool", value) if type(value) is bool else value


def keyed(pattern: str, item: Shape, *, strict: bool = True, reader: str = "Compose") -> Shape:
    """A mapping from names of the user's choice to one shape; without `strict`, other names may hold anything.

    `reader` is who knows the keys, for messages.
    """
    compiled = re.compile(pattern).search
    checks = item.checks
    all_match = pattern in {".+", "^.+$"}

    def check(node: Node) -> list[Fault] | None:
        faults: list[Fault] | None = None
        for name, child in node.value.items():
            if not (name if all_match else compiled(name)):
                if strict:
                    wrong = bad_name(child, name, reader)
                    faults = add(faults, [wrong], name)
                continue
            kind = type(child.value)
            if kind not in checks:
                found: list[Fault] | None = [item.mistyped(child)]
            else:
                inner = checks[kind]
                found = None if inner is None else inner(child)
            if found:
                faults = add(faults, found, name)
        return faults

    schema: dict[str, Any] = {"type": "object", "patternProperties": {pattern: item.schema}}
    return Shape({dict: check}, schema | ({"additionalProperties": False} if strict else {}))


def bad_name(child: Node, name: str, reader: str) -> Fault:
    hint = "names are made of letters, digits, dots, _ and -"
    return Fault(child, "bad-name", f"{name!r} is no name that {reader} allows here", hint, at_key=True)


def fields(
    table: dict[str, Shape],
    *,
    required: Iterable[str] = (),
    extensions: bool = True,
    closed: bool = True,
    reader: str = "Compose",
) -> Shape:
    """A mapping with known keys; `extensions` allows x-*. `reader` is who knows the keys, for messages."""
    needed = tuple(required)
    tables = {name: shape.checks for name, shape in table.items()}

    def check(node: Node) -> list[Fault] | None:
        faults: list[Fault] | None = None
        for name, child in node.value.items():
            checks = tables.get(name)
            if checks is None:
                if closed and not (extensions and name.startswith("x-")):
                    faults = add(faults, [unknown_key(child, name, table, reader)], name)
                continue
            kind = type(child.value)
            if kind not in checks:
                found: list[Fault] | None = [table[name].mistyped(child)]
            else:
                inner = checks[kind]
                found = None if inner is None else inner(child)
            if found:
                faults = add(faults, found, name)
        if faults and needed and node.key is None and tables.keys().isdisjoint(node.value):
            return [not_text(node, reader)]
        for name in needed:
            if name not in node.value:
                faults = add(faults, [missing_key(node, name)], None)
        return faults

    schema: dict[str, Any] = {"type": "object", "properties": {n: shape.schema for n, shape in table.items()}}
    if needed:
        schema["required"] = list(needed)
    if closed:
        schema["additionalProperties"] = False
    if extensions:
        schema["patternProperties"] = {"^x-": {}}
    return Shape({dict: check}, schema)


def not_text(node: Node, reader: str) -> Fault:
    """An item of a list that became a mapping because of its colon."""
    hint = 'text with a colon at its end, or with ": " in it, needs quotes'
    return Fault(node, "wrong-type", f"has no key that {reader} knows here: {', '.join(node.value)}", hint)


def missing_key(node: Node, name: str) -> Fault:
    return Fault(node, "missing-key", f"needs the key {name!r}", at_key=True, keys=(name,))


# Keys that people look for in a place, where another one beside it does what they want.
MEANT = {
    "replicas": ("deploy", "write `scale: NUMBER`, or `deploy: {replicas: NUMBER}`"),
    "memory": ("mem_limit", "write `mem_limit: SIZE`, or `deploy: {resources: {limits: {memory: SIZE}}}`"),
    "limits": ("resources", "limits stands below resources:"),
    "reservations": ("resources", "reservations stands below resources:"),
    "resources": ("deploy", "resources stands below deploy:"),
    "cmd": ("command", "the key is called command"),
    "env": ("environment", "the key is called environment"),
    "args": ("build", "arguments of a build stand below build:, those of the program in command:"),
    "dockerfile": ("build", "dockerfile stands below build:"),
    "context": ("build", "context stands below build:"),
}


def unknown_key(child: Node, name: str, table: Iterable[str], reader: str) -> Fault:
    close = get_close_matches(name, list(table), 1, 0.6)
    below, meant = MEANT.get(name, ("", ""))
    hint = f'did you mean "{close[0]}"?' if close else meant if below in table else "a key of your own starts with x-"
    message = f"{name!r} is not a key that {reader} knows here"
    return Fault(child, "unknown-key", message, hint, at_key=True, keys=tuple(close))


def add(faults: list[Fault] | None, found: list[Fault], step: str | None) -> list[Fault]:
    if step is not None:
        for fault in found:
            fault.path.append(step)
    return found if faults is None else faults + found
