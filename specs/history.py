"""Where a value comes from: every place that had a say in it, the first first, the last the one that won.

Called by `rorqual explain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from specs import dotenv
from specs.load import Loaded
from specs.node import Node, plain
from specs.openfile import read_text
from specs.output import json_values
from specs.resolve.refusal import provenance

# environment ← env_file, labels ← label_file: what is folded into what.
FOLDED = {"environment": "env_file", "labels": "label_file"}


class NoSuchPath(LookupError):
    """The project has nothing there; `known` is what stands beside it, `until` the part of the path that is there."""

    def __init__(self, step: str, until: str, known: Sequence[str]) -> None:
        self.step, self.until, self.known = step, until, list(known)
        super().__init__(f"{until or 'the project'} has no {step}")


@dataclass(frozen=True, slots=True)
class Say:
    """One place's say: `place` is file:line:column, `value` what it said, `note` how that came about."""

    place: str
    value: Any
    note: str = ""


@dataclass(frozen=True, slots=True)
class History:
    path: tuple[str, ...]
    value: Any
    says: tuple[Say, ...]


def history(loaded: Loaded, dotted: str) -> History:
    """The final value at `services.web.environment.MODE` and its history. Raises NoSuchPath."""
    assert loaded.values is not None and loaded.root is not None
    path, value = find(json_values(loaded.values), dotted)
    says = [*folded_in(loaded, path)]
    for node in nodes_at(loaded.root, path):
        says += chain(node, path[-1])
    if path[2:3] == ["environment"] and len(path) == 4:
        says = [told_without(say, last=index == len(says) - 1) for index, say in enumerate(says)]
    if path[0] in {"secrets", "configs"}:
        says = [replace(say, value=unread(say.value)) for say in says]
    return History(tuple(path), value, tuple(unrepeated(says)))


def unread(value: Any) -> Any:
    """A secret or config, or all of them, without what was read from the environment for them."""
    if not isinstance(value, Mapping):
        return value
    return {key: unread(one) for key, one in value.items() if key != "content" or "environment" not in value}


def find(value: Any, dotted: str) -> tuple[list[str], Any]:
    """The value at a dotted path, where keys may hold dots themselves: the longest key that fits is taken."""
    path: list[str] = []
    rest = dotted.split(".")
    while rest:
        for length in range(len(rest), 0, -1):
            step = ".".join(rest[:length])
            found = child(value, step)
            if found is not None:
                break
        else:
            known = list(value) if isinstance(value, Mapping) else [str(i) for i in range(size(value))]
            raise NoSuchPath(rest[0], ".".join(path), known)
        path.append(step)
        value = found[0]
        rest = rest[length:]
    return path, value


def size(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def child(value: Any, step: str) -> tuple[Any] | None:
    if isinstance(value, Mapping) and step in value:
        return (value[step],)
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return (value[int(step)],)
    return None


def nodes_at(node: Node, path: Sequence[str]) -> Iterator[Node]:
    """The nodes that a path means; several where a list of NAME=VALUE says a name more than once."""
    if not path:
        yield node
    elif isinstance(node.value, dict):
        if path[0] in node.value:
            yield from nodes_at(node.value[path[0]], path[1:])
    elif isinstance(node.value, list):
        if path[0].isdecimal() and int(path[0]) < len(node.value):
            yield from nodes_at(node.value[int(path[0])], path[1:])
        elif len(path) == 1:
            yield from (item for item in node.value if names(item, path[0]))


def names(item: Node, name: str) -> bool:
    return isinstance(item.value, str) and item.value.partition("=")[0] == name


def chain(node: Node, name: str) -> list[Say]:
    """The node and all that it replaced, oldest first."""
    says: list[Say] = []
    each: Node | None = node
    while each is not None:
        if each.span is not None:
            says.append(Say(str(each.span), shown(each, name), provenance(each)))
        each = each.earlier
    return says[::-1]


def told_without(say: Say, *, last: bool) -> Say:
    """A variable that is named without a value takes that of the same name outside, where there is one."""
    if say.value is not None or say.note:
        return say
    note = "named without a value; none is set outside, so it is left out" if last else "named without a value"
    return Say(say.place, say.value, note)


def shown(node: Node, name: str) -> Any:
    """The value of NAME=VALUE; a name alone in a list has none."""
    value = plain(node)
    if node.key is None and value == name:
        return None
    if isinstance(value, str) and "=" in value and value.partition("=")[0] == name:
        return value.partition("=")[2]
    return value


def folded_in(loaded: Loaded, path: Sequence[str]) -> Iterator[Say]:
    """What env files say about an environment variable, and label files about a label."""
    if len(path) != 4 or path[0] != "services" or path[2] not in FOLDED:
        return
    entries = loaded.node_of("services", path[1], FOLDED[path[2]])
    for entry in entries.value if entries is not None and isinstance(entries.value, list) else ():
        file = entry.value["path"].value if isinstance(entry.value, dict) else entry.value
        style = entry.get("format") if isinstance(entry.value, dict) else None
        setting = settings_of(file, style is not None and style.value == "raw", loaded.variables).get(path[3])
        if setting is not None:
            yield Say(f"{file}:{setting.line}", setting.value, "; ".join(notes(loaded, path, entry, setting)))


def notes(loaded: Loaded, path: Sequence[str], entry: Node, setting: dotenv.Setting) -> Iterator[str]:
    """Where the file is named, and which variables gave the value."""
    if entry.span:
        yield f"{FOLDED[path[2]]} at {entry.span}"
    for name in dict.fromkeys(setting.names):
        if name in loaded.variables:
            yield f"from ${{{name}}}, set in {loaded.places.get(name, 'environment')}"


def settings_of(file: str, raw: bool, variables: Mapping[str, str]) -> dict[str, dotenv.Setting]:
    try:
        text = read_text(file)
        return dotenv.parse_raw(text, variables.get) if raw else dotenv.parse(text, variables.get)
    except (OSError, dotenv.BadLine):
        return {}


def unrepeated(says: Sequence[Say]) -> Iterator[Say]:
    """Merging may remember a place more than once."""
    seen = set()
    for say in says:
        key = (say.place, repr(say.value))
        if key not in seen:
            seen.add(key)
            yield say
