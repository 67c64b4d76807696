"""`$VAR`, `${VAR:-default}` and their kin, as Compose expands them. Text in, text out; knows nothing of YAML."""

from __future__ import annotations

import re
from collections.abc import Callable

Lookup = Callable[[str], str | None]

VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<named>[_a-zA-Z][_a-zA-Z0-9]*)"
    r"|\{(?:(?P<braced>[_a-zA-Z][_a-zA-Z0-9]*(?::?[-+?](?:.*))?)\}|(?P<invalid>)))"
)
OPERATOR = re.compile(r":\?|\?|:-|-|:\+|\+")


class Invalid(ValueError):
    """The text is no valid template; the message says what to do."""


class Missing(ValueError):
    """`${VAR:?message}` with VAR unset."""

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(f"required variable {name} is missing a value: {message}")


def substitute(text: str, lookup: Lookup, unset: Callable[[str], None] | None = None) -> str:
    """Expand every variable of a text. `unset` hears of each variable without a value and without a default."""
    if "$" not in text:
        return text
    return VARIABLE.sub(lambda found: replacement(found[0], text, lookup, unset), text)


def replacement(found: str, whole: str, lookup: Lookup, unset: Callable[[str], None] | None) -> str:
    end = closing_brace(found)
    rest = ""
    if end >= 0:
        found, rest = found[: end + 1], found[end + 1 :]
    match = VARIABLE.match(found)
    if match is None or match["invalid"] is not None:
        fault = "is no ${NAME}" if closing_brace(whole) >= 0 else "nothing closes"
        raise Invalid(f"{whole!r} has a ${{ that {fault}")
    if match["escaped"]:
        return "$"
    inner = match["named"] or match["braced"]
    if match["braced"] and (operator := OPERATOR.search(inner)):
        value = apply(inner[: operator.start()], operator[0], inner[operator.end() :], lookup, unset)
        return value + substitute(rest, lookup, unset)
    value_or_none = lookup(inner)
    if value_or_none is None and unset is not None:
        unset(inner)
    return value_or_none or ""


def apply(name: str, operator: str, word: str, lookup: Lookup, unset: Callable[[str], None] | None) -> str:
    """One `${name<operator>word}`. Word is expanded whether it is needed or not, as Compose does."""
    word = substitute(word, lookup, unset)
    value = lookup(name)
    there = bool(value) if operator[0] == ":" else value is not None
    if operator[-1] == "?" and not there:
        raise Missing(name, word)
    if operator[-1] == "+":
        return word if there else value or ""
    return (value or "") if there else word


def closing_brace(text: str) -> int:
    """Where the first `${` of the text closes; -1 where it does not."""
    depth = 0
    index = 0
    while index < len(text):
        char = text[index]
        if char == "}":
            depth -= 1
            if depth == 0:
                return index
        if char == "{":
            depth += 1
            index += 1
        index += 1
    return -1


def names_in(text: str) -> list[tuple[str, str, str]]:
    """Every variable of a text with its operator and its word, outermost first; for `config --variables`."""
    found: list[tuple[str, str, str]] = []
    for match in VARIABLE.finditer(text):
        if match["escaped"] or match["invalid"] is not None:
            continue
        inner = match["named"] or match["braced"] or ""
        operator = OPERATOR.search(inner)
        if operator is None:
            found.append((inner, "", ""))
            continue
        end = closing_brace(match[0])
        piece = match[0][2:end] if end >= 0 else inner
        found.append((piece[: operator.start()], operator[0], piece[operator.end() :]))
        found += names_in(piece[operator.end() :])
        found += names_in(match[0][end + 1 :])
    return found
