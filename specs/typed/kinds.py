"""How one field is typed: node → value, and value → JSON. A field left out has no value (None) or Go's zero value.

Compose decodes with Go's mapstructure and writes with `omitempty`; each Kind here is one Go type of its structs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specs.node import Node, plain
from specs.resolve.refusal import Refusal, each_of
from specs.source import Diagnostic
from specs.typed.gathered import (
    command,
    encode_ulimit,
    health_test,
    hosts,
    loose_list,
    loose_texts,
    mapping,
    multi_options,
    options,
    ssh_keys,
    strict_options,
    texts,
    ulimit,
    variables,
)
from specs.typed.scalars import (
    device_count,
    duration,
    external,
    file_mode,
    flag,
    narrow,
    natural,
    real,
    size,
    text,
    truth_or_text,
    whole,
    wrong,
)

EXTENSIONS = "#extensions"
Decode = Callable[[Node], Any]
Encode = Callable[[Any], Any]


class Kind:
    """`decode` gives None for what is to be left out; `encode` is None where the JSON is the value itself."""

    __slots__ = ("decode", "encode", "fields", "item")

    def __init__(self, decode: Decode, encode: Encode | None = None) -> None:
        self.decode = decode
        self.encode = encode
        # of a struct: its fields; of a list or map: what is in it
        self.fields: dict[str, Kind] | None = None
        self.item: Kind | None = None


def or_none(decode: Decode) -> Decode:
    return lambda node: decode(node) or None


TEXT = Kind(or_none(text))
SET_TEXT = Kind(text)
FLAG = Kind(or_none(flag))
SET_FLAG = Kind(flag)
NUMBER = Kind(or_none(whole))
SET_NUMBER = Kind(whole)
NATURAL = Kind(or_none(natural))
SET_NATURAL = Kind(natural)
REAL = Kind(or_none(real))
SIZE = Kind(or_none(size), str)
DURATION = Kind(lambda node: None if (found := duration(node)) == "0s" else found)
SET_DURATION = Kind(duration)
MODE = Kind(file_mode, lambda value: f"0{value:o}" if value >= 0 else f"0-{-value:o}")
SMALL = Kind(or_none(narrow(16)))
PORT_NUMBER = Kind(or_none(narrow(32)))
TRUTH_OR_TEXT = Kind(or_none(truth_or_text))
COUNT = Kind(or_none(device_count))
EXTERNAL = Kind(or_none(external))
TEXTS = Kind(or_none(texts))
LOOSE_TEXTS = Kind(or_none(loose_texts))
LOOSE_LIST = Kind(or_none(loose_list))
MAPPING = Kind(or_none(mapping))
NULLABLE_MAPPING = Kind(or_none(variables))
OPTIONS = Kind(or_none(options))
STRICT_OPTIONS = Kind(or_none(strict_options))
MULTI_OPTIONS = Kind(or_none(multi_options))
SSH = Kind(or_none(ssh_keys))
COMMAND = Kind(command)
HEALTH_TEST = Kind(or_none(health_test))
HOSTS = Kind(lambda node: hosts(node) if node.value else None)
ULIMIT = Kind(ulimit, encode_ulimit)


def decode_fields(
    node: Node, fields: dict[str, Kind], keep: tuple[str, ...] = (), always: tuple[str, ...] = ()
) -> dict[str, Any]:
    """All known fields of a mapping in their order, its x-* apart. Raises one Refusal for all that are no values."""
    given: dict[str, Node] = node.value
    found: dict[str, Any] = {}
    faults: list[Diagnostic] = []
    lost: list[str] = []
    for name, kind in fields.items():
        child = given.get(name)
        if child is not None and child.value is not None:
            try:
                value = kind.decode(child)
            except Refusal as error:
                faults += error.diagnostics
                lost.append(name)
                value = error.rest
            if value is not None:
                found[name] = value
        elif name in keep:
            found[name] = None
        elif name in always:
            found[name] = kind.decode(node.at({}))
    for name, child in given.items():
        if name[:2] == "x-":
            found.setdefault(EXTENSIONS, {})[name] = plain(child)
    if faults:
        raise Refusal(*faults, rest=found, lost=lost)
    return found


def structure(
    fields: dict[str, Kind], *, keep: tuple[str, ...] = (), always: tuple[str, ...] = (), encode: Encode | None = None
) -> Kind:
    """A nested struct. `keep`: fields that stand even as null; `always`: structs that stand even when empty."""

    def decode(node: Node) -> dict[str, Any]:
        if type(node.value) is not dict:
            raise wrong(node, "a mapping")
        return decode_fields(node, fields, keep, always)

    kind = Kind(decode, encode or encoder(fields))
    kind.fields = fields
    return kind


def encoder(fields: dict[str, Kind]) -> Encode:
    converting = {name: kind.encode for name, kind in fields.items() if kind.encode is not None}

    def encode(value: dict[str, Any]) -> dict[str, Any]:
        if EXTENSIONS in value:
            value = {name: item for name, item in value.items() if name != EXTENSIONS}
        if converting and not converting.keys().isdisjoint(value):
            return {
                name: converted(item) if item is not None and (converted := converting.get(name)) else item
                for name, item in value.items()
            }
        return value

    return encode


def list_of(kind: Kind) -> Kind:
    def decode(node: Node) -> list[Any] | None:
        if type(node.value) is not list:
            raise wrong(node, "a list")
        return each_of(node.value, kind.decode) or None

    encode = kind.encode
    found = Kind(decode, None if encode is None else lambda items: [encode(item) for item in items])
    found.item = kind
    return found


def map_of(kind: Kind) -> Kind:
    """NAME → struct, or null."""

    def decode(node: Node) -> dict[str, Any] | None:
        if type(node.value) is not dict:
            raise wrong(node, "a mapping")
        found: dict[str, Any] = {}
        faults: list[Diagnostic] = []
        for name, item in sorted(node.value.items()):
            try:
                found[name] = None if item.value is None else kind.decode(item)
            except Refusal as error:
                faults += error.diagnostics
                found[name] = error.rest
        if faults:
            raise Refusal(*faults, rest=found)
        return found or None

    encode = kind.encode
    found = Kind(decode)
    if encode is not None:
        found.encode = lambda items: {n: None if item is None else encode(item) for n, item in items.items()}
    found.item = kind
    return found
