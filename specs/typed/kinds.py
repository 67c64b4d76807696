"""How one field is typed: node → value, and value → JSON. A field left out has no value (None) or Go's zero value.

Compose decodes with Go's mapstructure and writes with `omitempty`; each Kind here is one Go type of its structs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from specs.node import Node, plain
from specs.resolve.casts import Uncastable, to_flag, to_real, to_whole
from specs.resolve.refusal import Refusal, each_of, refusal
from specs.resolve.short import split_command
from specs.scalars import printed
from specs.source import Diagnostic
from specs.units import Malformed, format_duration, nanoseconds, size_in_bytes

EXTENSIONS = "#extensions"
# From here on Go's float32 is infinite.
TOO_LARGE = float.fromhex("0x1.ffffffp127")
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


def wrong(node: Node, what: str) -> Refusal:
    return refusal(node, "wrong-type", f"{named(node)} must be {what}")


def named(node: Node) -> str:
    """What a message calls a value: by its key, where it has one."""
    return "this" if node.key is None else str(node.key.value)


def some(value: Any) -> Any:
    """Go's omitempty: zero values are left out."""
    return value or None


def text(node: Node) -> str:
    value = node.value
    if type(value) is str:
        return value
    if type(value) is int and value < 1 << 63:
        return str(value)
    if value is None:
        return ""
    raise wrong(node, "text; put it in quotes")


def flag(node: Node) -> bool:
    value = node.value
    if type(value) is bool:
        return value
    if type(value) is str:
        try:
            return to_flag(value)
        except Uncastable as error:
            raise refusal(node, "wrong-type", str(error), "write true or false") from None
    raise wrong(node, "true or false")


def whole(node: Node) -> int:
    value = node.value
    if type(value) is int:
        # above, it is a uint64 to Compose, whose bits it takes as they are
        return value - (1 << 64) if value >= 1 << 63 else value
    if type(value) is float:
        return int(value) if abs(value) < 1 << 63 else -(1 << 63)
    if type(value) is str:
        try:
            return to_whole(value)
        except Uncastable as error:
            raise refusal(node, "wrong-type", str(error)) from None
    raise wrong(node, "a whole number")


def natural(node: Node) -> int:
    if type(node.value) is float and not node.value < 1 << 63:
        return 1 << 63
    value = node.value if type(node.value) is int else whole(node)
    if value < 0:
        raise refusal(node, "out-of-range", f"{named(node)} can't be negative")
    return value


def narrow(bits: int) -> Decode:
    """An unsigned number of few bits: Go casts no text to it, and drops the bits above."""

    def decode(node: Node) -> int:
        if type(node.value) not in (int, float):
            raise wrong(node, "a number, not text")
        return natural(node) & ((1 << bits) - 1)

    return decode


def truth_or_text(node: Node) -> str:
    return printed(node.value) if type(node.value) is bool else text(node)


def real(node: Node) -> float:
    """Go's float32, as the shortest decimal that gives it back."""
    value = node.value
    if type(value) is str:
        try:
            value = to_real(value)
        except Uncastable as error:
            raise refusal(node, "wrong-type", str(error)) from None
    if type(value) not in (int, float):
        raise wrong(node, "a number")
    if not abs(value) < TOO_LARGE:
        raise refusal(node, "wrong-type", f"{printed(float(value))} is not a number that can be used")
    return single(float(value))


def single(value: float) -> float:
    if value == int(value) and abs(value) < 1 << 24:
        return int(value)
    packed = struct.pack("f", value)
    # the nearest decimal to what the bits say, not to what was written
    (stored,) = struct.unpack("f", packed)
    for precision in range(1, 10):
        shorter = float(f"{stored:.{precision}g}")
        if struct.pack("f", shorter) == packed:
            return shorter
    return value


def size(node: Node) -> int:
    value = node.value
    if type(value) is int:
        # Compose reads a number that is too large for a signed one as no size at all
        return value if value < 1 << 63 else 0
    if type(value) is str:
        try:
            return size_in_bytes(value)
        except Malformed as error:
            raise refusal(node, "bad-size", str(error), "write a number with a unit: 512m, 1.5g") from None
    if type(value) is float:
        return 0
    raise wrong(node, "a size, such as 512m")


def duration(node: Node) -> str:
    if type(node.value) is not str:
        raise wrong(node, "a duration, such as 1m30s")
    try:
        return format_duration(nanoseconds(node.value))
    except Malformed as error:
        raise refusal(node, "bad-duration", str(error), "write numbers with units: 1m30s, 500ms") from None


def file_mode(node: Node) -> int:
    value = node.value
    if type(value) is int:
        return value
    if type(value) is str:
        try:
            return int(value, 8) if value.lstrip("+-").isdigit() else int("x")
        except ValueError:
            raise refusal(node, "bad-mode", f"{value!r} is no octal mode, such as 0440") from None
    raise wrong(node, "an octal mode, such as 0440")


def device_count(node: Node) -> int:
    value = node.value
    if type(value) is int:
        return value
    if type(value) is str:
        if value.lower() == "all":
            return -1
        try:
            return to_whole(value)
        except Uncastable:
            raise refusal(node, "wrong-type", f"{value!r} is neither all nor a number") from None
    raise wrong(node, "all or a number")


def external(node: Node) -> bool:
    return True if type(node.value) is dict else flag(node)


def texts(node: Node) -> list[str]:
    if type(node.value) is not list:
        raise wrong(node, "a list")
    return [text(item) for item in node.value]


def loose_texts(node: Node) -> list[str]:
    """A string counts as a list of one."""
    if type(node.value) is str:
        return [node.value]
    if type(node.value) is not list:
        raise wrong(node, "a string or a list")
    return [printed(item.value) for item in node.value]


def loose_list(node: Node) -> list[str]:
    if type(node.value) is not list:
        raise wrong(node, "a list")
    for item in node.value:
        if type(item.value) is int and item.value >= 1 << 63:
            raise wrong(item, "a number of this size, or text")
    return [printed(item.value) for item in node.value]


def mapping(node: Node) -> dict[str, str]:
    """NAME → text; null is empty."""
    return {name: value or "" for name, value in nullable_mapping(node).items()}


def nullable_mapping(node: Node) -> dict[str, str | None]:
    value = node.value
    if type(value) is dict:
        return {name: None if item.value is None else printed(item.value) for name, item in sorted(value.items())}
    if type(value) is list:
        found: dict[str, str | None] = {}
        for item in value:
            name, equals, given = printed(item.value).partition("=")
            found[name] = given if equals else None
        return dict(sorted(found.items()))
    raise wrong(node, "a mapping or a list of NAME=VALUE")


def variables(node: Node) -> dict[str, str | None]:
    """As nullable_mapping, for variables: a name may not end in a space."""
    try:
        each_of(node.value if type(node.value) is list else (), check_variable_name)
    except Refusal as error:
        raise Refusal(*error.diagnostics) from None
    return nullable_mapping(node)


def check_variable_name(item: Node) -> None:
    name = printed(item.value).partition("=")[0]
    if name and name[-1].isspace():
        hint = f"write {name.strip()}=VALUE, with no space before the ="
        raise refusal(item, "bad-variable-name", f"the name of the variable {name!r} ends in a space", hint)


def options(node: Node) -> dict[str, str]:
    if type(node.value) is not dict:
        raise wrong(node, "a mapping")
    return {name: "" if item.value is None else printed(item.value) for name, item in sorted(node.value.items())}


def strict_options(node: Node) -> dict[str, str]:
    if type(node.value) is not dict:
        raise wrong(node, "a mapping")
    return {name: text(item) for name, item in sorted(node.value.items())}


def multi_options(node: Node) -> dict[str, list[str]]:
    if type(node.value) is not dict:
        raise wrong(node, "a mapping")
    return {
        name: [printed(each.value) for each in (item.value if type(item.value) is list else [item])]
        for name, item in sorted(node.value.items())
        if item.value != []
    }


def ssh_keys(node: Node) -> list[str]:
    if type(node.value) is not dict:
        raise wrong(node, "a list of keys")
    return [
        name if item.value in (None, "") else f"{name}={printed(item.value)}"
        for name, item in sorted(node.value.items())
    ]


def command(node: Node) -> list[str]:
    if type(node.value) is str:
        return split_command(node)
    return loose_list(node)


def health_test(node: Node) -> list[str]:
    return ["CMD-SHELL", node.value] if type(node.value) is str else loose_list(node)


def hosts(node: Node) -> list[str]:
    """`host=ip`, sorted."""
    found: dict[str, list[str]] = {}
    if type(node.value) is dict:
        for name, item in node.value.items():
            found[name] = [printed(ip.value) for ip in item.value] if type(item.value) is list else [text(item)]
    else:
        for item in node.value:
            line = printed(item.value)
            name, separator, addresses = line.partition("=" if "=" in line else ":")
            if not separator:
                raise refusal(item, "bad-host", f"{line!r} has no address; write HOST=IP")
            found.setdefault(name, []).extend(addresses.split(","))
    for name in found:
        if not name or ":" in name or "=" in name:
            raise refusal(node, "bad-host", f"{name!r} is no host name")
    bare = (
        (name, ip[1:-1] if len(ip) > 2 and ip[0] == "[" and ip[-1] == "]" else ip)
        for name in found
        for ip in found[name]
    )
    return sorted(f"{name}={ip}" for name, ip in bare)


def ulimit(node: Node) -> dict[str, int]:
    value = node.value
    if type(value) is int:
        return {"single": value}
    if type(value) is dict:
        return {key: whole_only(value[key]) for key in ("soft", "hard") if key in value}
    raise wrong(node, "a number, or soft and hard")


def whole_only(node: Node) -> int:
    if type(node.value) is not int:
        raise wrong(node, "a whole number")
    return int(node.value)


def encode_ulimit(value: dict[str, int]) -> Any:
    if value.get("single"):
        return value["single"]
    return {key: value[key] for key in ("soft", "hard") if value.get(key)}


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
