"""`.env` and `env_file` as Compose parses them. Text in, values with their lines out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from specs.resolve.template import Invalid, Lookup, Missing, substitute

EXPORT = re.compile(r"export\s+")
ESCAPE = re.compile(r'\\(?:[abcfnrtv$"\\]|0\d{0,3})')
PLAIN_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}
# white space that ends no line; Go counts the two Latin-1 ones as such
BLANKS = "\t\v\f\r \x85\xa0"


class Setting(NamedTuple):
    """`names`: the variables that its value came from; its own where the line is a name alone."""

    value: str
    line: int
    names: tuple[str, ...] = ()


class BadLine(ValueError):
    """A line that is no setting."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


def parse(text: str, lookup: Lookup, before: Mapping[str, str] | None = None) -> dict[str, Setting]:
    """All settings of a file. `lookup` is asked first, then the file, then what stood `before`. Raises BadLine."""
    earlier = before or {}
    found: dict[str, Setting] = {}
    rest = text.removeprefix("\ufeff").replace("\r\n", "\n")
    total = rest.count("\n")

    asked: list[str] = []

    def known(name: str) -> str | None:
        asked.append(name)
        value = lookup(name)
        if value is not None:
            return value
        return found[name].value if name in found else earlier.get(name)

    while rest := statement(rest):
        line = total - rest.count("\n") + 1
        name, rest, inherited = key(rest, line)
        if " " in name:
            raise BadLine(line, f"the name {name!r} has a space in it")
        asked.clear()
        if inherited:
            if (value := known(name)) is not None:
                found[name] = Setting(value, line, (name,))
            continue
        try:
            value, rest = setting(rest, line, known)
        except (Invalid, Missing) as error:
            raise BadLine(line, str(error)) from None
        found[name] = Setting(value, line, tuple(asked))
    return found


def statement(text: str) -> str:
    """The text from its first statement on."""
    text = text.lstrip()
    while text.startswith("#"):
        text = text.partition("\n")[2].lstrip()
    return text


def key(text: str, line: int) -> tuple[str, str, bool]:
    """The name, what follows it, and whether the line is a name alone (its value comes from outside)."""
    if EXPORT.match(text):
        text = text.removeprefix("export").lstrip(BLANKS)
    for index, char in enumerate(text):
        if char in "=:\n":
            return text[:index].rstrip(), text[index + 1 :].lstrip(BLANKS), char == "\n"
        if char in "_.-[]" or char in BLANKS or char.isalpha() or char.isnumeric():
            continue
        shown = text.partition("\n")[0]
        raise BadLine(line, f"the character {char!r} can't stand in the name of a variable, in {shown!r}")
    # a name alone on the last line, without a line break: Compose drops it
    return "", text, False


def setting(text: str, line: int, known: Lookup) -> tuple[str, str]:
    """The value, and the text after it."""
    quote = text[:1]
    if quote not in {"'", '"'}:
        value, _, rest = text.partition("\n")
        value = value.partition(" #")[0].rstrip()
        return substitute(value, known), rest
    chars: list[str] = []
    escaped = False
    for index in range(1, len(text)):
        char = text[index]
        if char != quote:
            if not escaped and char == "\\":
                escaped = True
                continue
            chars.append("\\" + char if escaped else char)
            escaped = False
        elif escaped:
            escaped = False
            chars.append(char)
        else:
            value = "".join(chars)
            value = substitute(ESCAPE.sub(unescape, value), known) if quote == '"' else value
            return value, text[index + 1 :]
    shown = text.partition("\n")[0]
    raise BadLine(line, f"the value {shown} has no closing quote")


def unescape(found: re.Match[str]) -> str:
    code = found[0][1:]
    if code == "$":
        return "$$"
    if code[0] == "0":
        digits = code[1:]
        return chr(int(digits, 8)) if len(digits) == 3 and int(digits, 8) < 256 else found[0]
    return PLAIN_ESCAPES.get(code, found[0])


def parse_raw(text: str, lookup: Callable[[str], str | None]) -> dict[str, Setting]:
    """`format: raw`: nothing is quoted or expanded; a name alone is looked up. Raises BadLine."""
    found: dict[str, Setting] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.removesuffix("\r").lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not name:
            raise BadLine(number, "there is no name before the =")
        if " " in name or "\t" in name:
            raise BadLine(number, f"the name {name!r} has white space in it")
        if equals:
            found[name] = Setting(value, number)
        elif (inherited := lookup(name)) is not None:
            found[name] = Setting(inherited, number, (name,))
    return found
