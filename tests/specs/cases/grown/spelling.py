"""A tree as YAML text, spelled by chance: block and flow, quoted and plain, folded, commented, anchored, tagged."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

# What reads back as the same string without quotes, in block and in flow.
PLAIN = re.compile(r"[A-Za-z/.][A-Za-z0-9_./@+-]*(?:[:=][A-Za-z0-9_./@+-]+)*(?: [A-Za-z0-9_./=-]+)*\Z")
WORDS = frozenset(["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"])
NUMBERLIKE = re.compile(r"[-+.]?[0-9]|\.(?:inf|nan)\Z|0[xob]", re.IGNORECASE)

Node: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Raw:
    """Text that stands in the file as it is: a number of a certain spelling, an alias."""

    text: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A node with an anchor or a tag before it: `&name` or `!reset`."""

    mark: str
    node: Node


class Speller:
    """`wildness` from 0 (one plain style) to 1."""

    def __init__(self, chance: random.Random, wildness: float) -> None:
        self.chance = chance
        self.wildness = wildness
        self.step = chance.choice((2, 2, 2, 4))

    def document(self, tree: Mapping[str, Node]) -> str:
        lines = self.block(tree, 0)
        if self.wild(0.1):
            lines.insert(0, "---")
        if self.wild(0.1):
            lines.insert(0, "# a comment")
        ending = "\r\n" if self.wild(0.08) else "\n"
        return ("\ufeff" if self.wild(0.03) else "") + ending.join(lines) + (ending if not self.wild(0.05) else "")

    def wild(self, share: float) -> bool:
        return self.chance.random() < share * self.wildness

    def block(self, node: Node, depth: int) -> list[str]:
        if isinstance(node, Mapping):
            return [line for key, value in node.items() for line in self.entry(f"{self.key(key)}:", value, depth)]
        return [line for item in node for line in self.item(item, depth)]

    def entry(self, head: str, value: Node, depth: int) -> list[str]:
        pad = " " * depth
        marks, inner = unmarked(value)
        head = " ".join([head, *marks])
        if inner is None and not isinstance(inner, Raw):
            return [pad + head + self.chance.choice(("", " null", " ~", ""))]
        if not is_nested(inner) or not inner or self.flows(inner):
            return self.scalar_lines(pad + head, inner, depth) + ([""] if self.wild(0.03) else [])
        if isinstance(inner, Mapping):
            return [pad + head + self.comment(), *self.block(inner, depth + self.step)]
        # a list may stand as far left as its key
        return [pad + head + self.comment(), *self.block(inner, depth + self.chance.choice((0, self.step)))]

    def item(self, value: Node, depth: int) -> list[str]:
        pad = " " * depth
        marks, inner = unmarked(value)
        if marks or not is_nested(inner) or not inner or self.flows(inner):
            head = " ".join(["-", *marks])
            if is_nested(inner) or inner is None:
                return [f"{pad}{head} {self.flow(inner)}"]
            return self.scalar_lines(pad + head, inner, depth)
        first, *rest = self.block(inner, depth + 2)
        return [f"{pad}- {first.lstrip(' ')}", *rest]

    def scalar_lines(self, head: str, value: Node, depth: int) -> list[str]:
        """After `head`, on its line; long texts in blocks of their own at times."""
        texty = isinstance(value, str) and value and value == value.strip() and "\r" not in value
        if texty and ("\n" in value or self.wild(0.04)) and "\t" not in value:
            pad = " " * (depth + self.step)
            return [
                f"{head} {self.chance.choice(('|-', '|', '|-', '>-'))}",
                *(pad + line for line in value.split("\n")),
            ]
        return [f"{head} {self.flow(value)}{self.comment()}"]

    def comment(self) -> str:
        return self.chance.choice((" # why", "  # a: b", " ")) if self.wild(0.04) else ""

    def flows(self, node: Node) -> bool:
        small = len(node) <= 4 and all(not is_nested(unmarked(v)[1]) for v in values_of(node))
        return self.chance.random() < (0.1 + 0.4 * self.wildness if small else 0.06 * self.wildness)

    def key(self, key: Node) -> str:
        if isinstance(key, Raw):
            return key.text
        return self.text(key)

    def flow(self, node: Node) -> str:
        match node:
            case Raw():
                return node.text
            case Marked():
                return f"{node.mark} {self.flow(node.node)}"
            case None:
                return self.chance.choice(("null", "~", "Null")) if self.wild(0.5) else "null"
            case bool():
                return self.chance.choice(("true", "True", "TRUE") if node else ("false", "False", "FALSE"))
            case int() | float():
                return str(node)
            case str():
                return self.text(node)
            case Mapping():
                return "{" + ", ".join(f"{self.key(k)}: {self.flow(v)}" for k, v in node.items()) + "}"
            case _:
                return "[" + ", ".join(map(self.flow, node)) + ("," if node and self.wild(0.05) else "") + "]"

    def text(self, text: str) -> str:
        plain = PLAIN.match(text) and text.lower() not in WORDS and not NUMBERLIKE.match(text)
        if plain and not self.wild(0.25):
            return text
        if self.chance.random() < 0.5 and text.isprintable():
            return "'" + text.replace("'", "''") + "'"
        return '"' + "".join(ESCAPES.get(c, c if c.isprintable() else f"\\u{ord(c):04x}") for c in text) + '"'


ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def unmarked(node: Node) -> tuple[list[str], Node]:
    marks = []
    while isinstance(node, Marked):
        marks.append(node.mark)
        node = node.node
    return marks, node


def is_nested(node: Node) -> bool:
    return isinstance(node, Mapping) or (isinstance(node, Sequence) and not isinstance(node, str))


def values_of(node: Node) -> Sequence[Node]:
    return list(node.values()) if isinstance(node, Mapping) else node
