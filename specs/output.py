"""A project as Compose prints it: JSON in Go's order and dress. Hashes are made of it too."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Any

from specs.depth import deep
from specs.node import Timestamp
from specs.scalars import json_number, rfc3339
from specs.typed.kinds import EXTENSIONS
from specs.typed.service import SECTIONS, SERVICE_KIND

SORTED = ("networks", "volumes", "secrets", "configs")


def json_values(values: dict[str, Any]) -> dict[str, Any]:
    """Resolved values → what Compose's JSON holds, top-level keys sorted."""
    encode_service = SERVICE_KIND.encode
    assert encode_service is not None
    found: dict[str, Any] = {
        "name": values["name"],
        "services": {name: encode_service(service) for name, service in values["services"].items()},
    }
    for kind in SORTED:
        if values.get(kind):
            encode = SECTIONS[kind].encode
            assert encode is not None
            found[kind] = {name: encode(resource) for name, resource in values[kind].items()}
    if values.get("images"):
        found["images"] = values["images"]
    found |= values.get(EXTENSIONS, {})
    return dict(sorted(found.items()))


def json_text(value: Any, *, escape: bool = True) -> str:
    """Indented JSON as Go writes it: maps of names sorted, < > & escaped, every $ doubled."""
    parts: list[str] = []
    with deep():
        write(value, parts, "\n")
    text = "".join(parts)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text.replace("$", "$$") if escape else text


def write(value: Any, parts: list[str], indent: str) -> None:
    kind = type(value)
    if kind is str:
        parts.append(encode_basestring(value))
    elif kind is dict:
        write_mapping(value, parts, indent)
    elif kind is list:
        write_list(value, parts, indent)
    elif value is None:
        parts.append("null")
    elif kind is bool:
        parts.append("true" if value else "false")
    elif kind is float:
        parts.append(json_number(value))
    elif isinstance(value, Timestamp):
        parts.append(encode_basestring(rfc3339(value)))
    else:
        parts.append(str(value))


def write_mapping(value: dict[str, Any], parts: list[str], indent: str) -> None:
    if not value:
        parts.append("{}")
        return
    inner = indent + "  "
    separator = "{" + inner
    for name, item in value.items():
        parts.append(separator)
        parts.append(encode_basestring(name))
        parts.append(": ")
        if type(item) is str:
            parts.append(encode_basestring(item))
        else:
            write(item, parts, inner)
        separator = "," + inner
    parts.append(indent + "}")


def write_list(value: list[Any], parts: list[str], indent: str) -> None:
    if not value:
        parts.append("[]")
        return
    inner = indent + "  "
    separator = "[" + inner
    for item in value:
        parts.append(separator)
        write(item, parts, inner)
        separator = "," + inner
    parts.append(indent + "]")
