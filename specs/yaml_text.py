"""Values → YAML as Compose prints it: Go's yaml.v3 with two spaces, its choice of quotes, every $ doubled."""

from __future__ import annotations

import math
import re
from json.encoder import encode_basestring
from typing import Any

from specs.depth import deep
from specs.node import Timestamp
from specs.scalars import printed_float, resolve, rfc3339

OLD_BOOLEANS = frozenset(w for word in ("y", "yes", "on", "n", "no", "off") for w in (word, word.title(), word.upper()))
BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
UNPRINTABLE = re.compile(r"[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
# What a plain scalar in a block may not start with, end with or hold.
UNPLAIN = re.compile(r"[#,\[\]{}&*!|>'\"%@`]|[-?:](?:\s|$)|---|\.\.\.|.*(?::(?:\s|$)|\s#)", re.DOTALL)


def yaml_text(value: dict[str, Any], *, escape: bool = True) -> str:
    """A document that ends in a line break."""
    lines: list[str] = []
    with deep():
        write_mapping(value, "", lines)
    text = "\n".join(lines) + "\n" if lines else "{}\n"
    return text.replace("$", "$$") if escape else text


def write_mapping(value: dict[str, Any], indent: str, lines: list[str], first: str | None = None) -> None:
    """Lines of a mapping; `first` stands before its first line instead of the indent (`- `)."""
    for name, item in value.items():
        write_entry(f"{indent if first is None else first}{key_text(name)}:", item, indent, lines)
        first = None


def write_entry(head: str, item: Any, indent: str, lines: list[str]) -> None:
    if isinstance(item, dict) and item:
        lines.append(head)
        write_mapping(item, indent + "  ", lines)
    elif isinstance(item, list) and item:
        lines.append(head)
        write_list(item, indent + "  ", lines)
    else:
        lines.append(f"{head} {scalar_text(item, indent + '  ')}")


def write_list(value: list[Any], indent: str, lines: list[str], first: str | None = None) -> None:
    for item in value:
        head = f"{indent if first is None else first}- "
        first = None
        if isinstance(item, dict) and item:
            write_mapping(item, indent + "  ", lines, head)
        elif isinstance(item, list) and item:
            write_list(item, indent + "  ", lines, head)
        else:
            lines.append(head + scalar_text(item, indent + "  "))


def key_text(name: str) -> str:
    return quoted(name) if "\n" in name else string_text(name)


def scalar_text(value: Any, indent: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Timestamp):
        return rfc3339(value)
    if isinstance(value, str):
        return literal(value, indent) if "\n" in value else string_text(value)
    if isinstance(value, float):
        if math.isinf(value):
            return ".inf" if value > 0 else "-.inf"
        return ".nan" if math.isnan(value) else printed_float(value)
    if isinstance(value, dict):
        return "{}"
    return "[]" if isinstance(value, list) else str(value)


def string_text(text: str) -> str:
    """Plain where it reads back as itself, else in the quotes that Go would choose."""
    if not isinstance(resolve(text), str) or text in OLD_BOOLEANS or BASE_60.fullmatch(text) or text != str(text):
        return quoted(text)
    if isinstance(resolve(text), Timestamp) or UNPRINTABLE.search(text):
        return quoted(text)
    if text[0] == " " or text[-1] == " " or UNPLAIN.match(text):
        return "'" + text.replace("'", "''") + "'"
    return text


def literal(text: str, indent: str) -> str:
    """Text of several lines as a block, or in double quotes where a block can't hold it."""
    special = UNPRINTABLE.search(text.replace("\t", " "))
    if special or text.endswith(" ") or " \n" in text or not text.strip("\n"):
        return quoted(text)
    hint = "2" if text[0] in " \n" else ""
    body, chomp = (text[:-1], "") if text.endswith("\n") else (text, "-")
    if body.endswith("\n"):
        chomp = "+"
    lines = [indent + line if line else "" for line in body.split("\n")]
    return f"|{hint}{chomp}\n" + "\n".join(lines)


def quoted(text: str) -> str:
    """In double quotes, with YAML's escapes."""
    text = encode_basestring(text)
    return UNPRINTABLE.sub(lambda found: escaped(ord(found[0])), text)


def escaped(code: int) -> str:
    if code > 0xFFFF:
        return f"\\U{code:08X}"
    return f"\\u{code:04X}" if code > 0xFF else f"\\x{code:02X}"
