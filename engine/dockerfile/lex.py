"""A Dockerfile's text → its parser directives and its logical lines: continuations joined, comments gone, heredocs in.

Source: BuildKit, docs of the Dockerfile frontend (parser directives, here-documents); its rules are followed where
the docs are silent: a comment or an empty line within a continued line is dropped.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from engine.dockerfile.faults import Fault, Place

DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*", re.ASCII)
DIRECTIVES = ("syntax", "escape", "check")
HEREDOC = re.compile(r"(\d*)<<(-?)([^<]*)", re.ASCII)
# The instructions that take here-documents.
WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})
BLANKS = " \t\v\f\r"


@dataclass(frozen=True, slots=True)
class Heredoc:
    """`content` as it stands, each line with its newline. `expand`: the name is not quoted. `chomp`: `<<-`."""

    name: str
    content: str
    expand: bool
    chomp: bool
    descriptor: str = ""

    @property
    def text(self) -> str:
        """The content, without leading tabs where `<<-` asks for that."""
        if not self.chomp:
            return self.content
        return "".join(line.lstrip("\t") for line in self.content.splitlines(keepends=True))


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction's text, joined; `origins` say where its pieces come from: (offset, line, column), ascending."""

    text: str
    origins: tuple[tuple[int, int, int], ...]
    end: int
    heredocs: tuple[Heredoc, ...] = ()
    # Empty lines within the continued line: they will be a fault one day.
    gaps: tuple[int, ...] = ()

    @property
    def start(self) -> int:
        return self.origins[0][1]

    def place(self, offset: int) -> Place:
        at = bisect_right(self.origins, offset, key=lambda origin: origin[0]) - 1
        begin, line, column = self.origins[max(at, 0)]
        return Place(line, column + offset - begin)


@dataclass(slots=True)
class Lexed:
    """`directives` by lower-case name. `faults` are those of the text's form."""

    directives: Mapping[str, str]
    escape: str
    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def lex(text: str) -> Lexed:
    physical = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    faults: list[Fault] = []
    directives = directives_of(physical, faults)
    escape = directives.get("escape", "\\")
    if escape not in ("\\", "`"):
        place = Place(next(n for n, line in enumerate(physical, 1) if "escape" in line.lower()), 1)
        faults.append(Fault("escape", f"invalid escape token '{escape}'", place, "write \\ or `"))
        escape = "\\"
    found = Lexed(directives, escape, faults=faults)
    found.lines.extend(Joiner(physical, escape, faults))
    return found


def directives_of(physical: list[str], faults: list[Fault]) -> dict[str, str]:
    """The directives at the top; the first line that has not their form ends them."""
    found: dict[str, str] = {}
    for number, line in enumerate(physical, 1):
        if number == 1 and line.startswith("#!"):
            continue
        match = DIRECTIVE.fullmatch(line.strip())
        if match is None:
            break
        name = match[1].lower()
        if name in found and name in DIRECTIVES:
            faults.append(Fault("directive", f"only one {name} parser directive can be used", Place(number, 1)))
        found.setdefault(name, match[2])
    return {name: value for name, value in found.items() if name in DIRECTIVES}


class Joiner:
    """Iterates over the logical lines."""

    def __init__(self, physical: list[str], escape: str, faults: list[Fault]) -> None:
        self._physical = physical
        self._escape = escape
        self._faults = faults
        token = re.escape(escape)
        self._continues = re.compile(rf"(?:(?<!{token})|^){token}[ \t]*$")
        self._at = 0

    def __iter__(self) -> Iterator[Line]:
        while self._at < len(self._physical):
            line = self._physical[self._at]
            if not line.strip() or line.lstrip().startswith("#"):
                self._at += 1
                continue
            joined = self._joined()
            if joined.text:
                yield joined

    def _joined(self) -> Line:
        pieces: list[str] = []
        origins: list[tuple[int, int, int]] = []
        gaps: list[int] = []
        length, first, goes_on = 0, self._at, True
        while goes_on and self._at < len(self._physical):
            line, number = self._physical[self._at], self._at + 1
            self._at += 1
            if pieces and not line.strip():
                gaps.append(number)
                continue
            if pieces and line.lstrip().startswith("#"):
                continue
            column = 1
            if not pieces:
                column += len(line) - len(line.lstrip())
                line = line.lstrip()
            match = self._continues.search(line)
            piece = line[: match.start()] if match else line
            pieces.append(piece)
            origins.append((length, number, column))
            length += len(piece)
            goes_on = match is not None
        text = "".join(pieces).rstrip(BLANKS)
        heredocs = tuple(self._heredocs(text, first + 1))
        return Line(text, tuple(origins), self._at, heredocs, tuple(gaps))

    def _heredocs(self, text: str, start: int) -> Iterator[Heredoc]:
        keyword, _, rest = text.partition(" ")
        words = rest
        if keyword.upper() == "ONBUILD":
            keyword, _, words = rest.strip().partition(" ")
        if keyword.upper() not in WITH_HEREDOCS or "<<" not in text or words.lstrip().startswith("["):
            return
        for word in raw_words(words, self._escape):
            heading = heredoc_of(word, self._escape)
            if heading is not None:
                yield self._body(heading, start)

    def _body(self, heading: Heredoc, start: int) -> Heredoc:
        lines: list[str] = []
        while self._at < len(self._physical):
            line = self._physical[self._at]
            self._at += 1
            if (line.lstrip("\t") if heading.chomp else line) == heading.name:
                break
            lines.append(f"{line}\n")
        else:
            message = f"unterminated heredoc: there is no line {heading.name}"
            self._faults.append(Fault("heredoc", message, Place(start, 1)))
        return Heredoc(heading.name, "".join(lines), heading.expand, heading.chomp, heading.descriptor)


def heredoc_of(word: str, escape: str = "\\") -> Heredoc | None:
    """`<<EOF`, `3<<-'EOF'` → a here-document without content yet; None for every other word."""
    match = HEREDOC.fullmatch(word)
    if match is None or not match[3]:
        return None
    name = "".join(character for character in match[3] if character not in f"\"'{escape}")
    if not name or any(blank in match[3] for blank in BLANKS):
        return None
    return Heredoc(name, "", expand=name == match[3], chomp=match[2] == "-", descriptor=match[1])


def raw_words(text: str, escape: str) -> list[str]:
    """The text's words as a shell splits them, quotes and escapes left where they are."""
    return [word for _, word in placed_words(text, escape)]


def placed_words(text: str, escape: str) -> list[tuple[int, str]]:
    """As `raw_words`, each with its offset. A quote that is never closed reaches to the end."""
    found: list[tuple[int, str]] = []
    begin, quote, at = -1, "", 0
    while at < len(text):
        character = text[at]
        if begin < 0 and character in f"{BLANKS}\n":
            at += 1
            continue
        if begin < 0:
            begin = at
        if not quote and character in f"{BLANKS}\n":
            found.append((begin, text[begin:at]))
            begin = -1
        elif character == escape and quote != "'":
            at += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        at += 1
    if begin >= 0:
        found.append((begin, text[begin:]))
    return found
