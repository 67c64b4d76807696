"""Lists and mappings of a node: of texts, variables, options, keys, hosts, limits; a command line as its words."""

from __future__ import annotations

from typing import Any

from specs.node import Node
from specs.resolve.refusal import Refusal, each_of, refusal
from specs.resolve.short import split_command
from specs.scalars import printed
from specs.typed.scalars import text, wrong


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
