r"""The part of Go's templates that `--format` takes: `{{.Field}}`, `{{json .}}`, `{{upper .Field}}`, text, `\t`, `\n`.

What is not in that part is an error that says so; nothing is printed as if it were understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.api.errors import InvalidArgument

Row = Mapping[str, Any]
EXPRESSION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
CALL = re.compile(r"(?:(\w+)\s+)?\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)?")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
FUNCTIONS: dict[str, Callable[[Any], str]] = {
    "json": lambda value: to_json(value),
    "upper": lambda value: plain(value).upper(),
    "lower": lambda value: plain(value).lower(),
    "title": lambda value: plain(value).title(),
    "println": lambda value: f"{plain(value)}\n",
    "print": lambda value: plain(value),
    "len": lambda value: str(len(value)),
}
ESCAPES = {"\\t": "\t", "\\n": "\n", "\\r": "\r", '\\"': '"', "\\\\": "\\"}


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> str:
    match value:
        case str():
            return value
        case bool() | None:
            return "true" if value else "false" if value is False else "<no value>"
        case Mapping() | list():
            return to_json(value)
        case _:
            return str(value)


@dataclass(frozen=True, slots=True)
class Value:
    """`path` () is the whole row."""

    path: tuple[str, ...]
    function: str

    def of(self, row: Row) -> str:
        found: Any = row
        for step in self.path:
            found = found.get(step) if isinstance(found, Mapping) else None
        return FUNCTIONS[self.function](found) if self.function else plain(found)


@dataclass(frozen=True, slots=True)
class Template:
    pieces: tuple[str | Value, ...]

    def render(self, row: Row) -> str:
        return "".join(piece if isinstance(piece, str) else piece.of(row) for piece in self.pieces)

    def headers(self, headers: Mapping[str, str]) -> str:
        """The template with each field's header in its place, for `table TEMPLATE`."""
        fields = (piece if isinstance(piece, str) else ".".join(piece.path) for piece in self.pieces)
        return "".join(headers.get(field, field.upper()) if field else "" for field in fields)


def parse_template(text: str, fields: Sequence[str]) -> Template:
    """Raises InvalidArgument for a field that is none of `fields`, and for what this part of the language hasn't."""
    pieces: list[str | Value] = []
    position = 0
    for match in EXPRESSION.finditer(text):
        pieces.append(unescape(text[position : match.start()]))
        pieces.append(parse_expression(match.group(1), fields))
        position = match.end()
    rest = text[position:]
    if "{{" in rest:
        raise InvalidArgument(f"--format: an opening {{{{ without its }}}} in: {text}")
    return Template((*pieces, unescape(rest)))


def parse_expression(text: str, fields: Sequence[str]) -> str | Value:
    if literal := LITERAL.fullmatch(text):
        return unescape(literal.group(1))
    call = CALL.fullmatch(text)
    if call is None or (call.group(1) and call.group(1) not in FUNCTIONS):
        known = ", ".join(FUNCTIONS)
        raise InvalidArgument(f"--format: can't do {{{{{text}}}}}: it takes {{{{.Field}}}} and the functions {known}")
    path = tuple((call.group(2) or "").split(".")) if call.group(2) else ()
    if path and path[0] not in fields:
        raise InvalidArgument(f"--format: there is no field .{path[0]}: it takes {', '.join(fields)}")
    return Value(path, call.group(1) or ("" if path else "json"))


def unescape(text: str) -> str:
    return re.sub(r'\\[tnr"\\]', lambda match: ESCAPES[match.group()], text)
