"""Variables, quotes and escapes of a Dockerfile word, as BuildKit's frontend expands them. Pure.

Forms: $X ${X} ${X:-w} ${X-w} ${X:+w} ${X+w} ${X:?m} ${X?m} ${X#p} ${X##p} ${X%p} ${X%%p} ${X/p/r} ${X//p/r}.
Source: Dockerfile reference, "Environment replacement".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


class CantExpand(ValueError):
    """The word's fault, in the user's words."""


@dataclass(slots=True)
class Expander:
    """One text's way through. `quotes` False: quotes are characters like others (here-documents)."""

    text: str
    env: Mapping[str, str]
    escape: str = "\\"
    quotes: bool = True
    at: int = 0
    used: set[str] = field(default_factory=set)
    unset: set[str] = field(default_factory=set)
    # The word so far, split at unquoted blanks: for instructions whose values are several words.
    words: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _in_word: bool = False

    def run(self) -> str:
        """The whole text expanded, in one piece. Raises CantExpand."""
        return self._until("")

    def split(self) -> list[str]:
        """Expanded, then split at blanks that are not quoted; what a variable holds is split too."""
        self._until("")
        self._end_word()
        return self.words

    # --- words
    def _literal(self, text: str) -> None:
        """Quoted text: never split."""
        self._open.append(text)
        self._in_word = True

    def _plain(self, text: str) -> None:
        for piece in re.split(r"([ \t\n]+)", text):
            if piece and piece.strip(" \t\n"):
                self._literal(piece)
            elif piece:
                self._end_word()

    def _end_word(self) -> None:
        if self._in_word:
            self.words.append("".join(self._open))
        self._open, self._in_word = [], False

    # --- the text
    def _until(self, stop: str) -> str:
        """Up to the character `stop`, which is consumed; to the end for none."""
        outer = not stop
        pieces: list[str] = []

        def add(text: str, *, literal: bool) -> None:
            pieces.append(text)
            if outer:
                (self._literal if literal else self._plain)(text)

        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == stop:
                return "".join(pieces)
            if self.quotes and character == "'":
                add(self._single(), literal=True)
            elif self.quotes and character == '"':
                add(self._double(), literal=True)
            elif character == "$":
                add(self._dollar(), literal=False)
            elif character == self.escape:
                if self.at < len(self.text):
                    add(self.text[self.at], literal=True)
                    self.at += 1
            else:
                add(character, literal=False)
        if stop:
            raise CantExpand(f"unexpected end of statement while looking for matching {stop}")
        return "".join(pieces)

    def _single(self) -> str:
        end = self.text.find("'", self.at)
        if end < 0:
            raise CantExpand("unexpected end of statement while looking for matching single-quote")
        found = self.text[self.at : end]
        self.at = end + 1
        return found

    def _double(self) -> str:
        pieces: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == '"':
                return "".join(pieces)
            if character == "$":
                pieces.append(self._dollar())
            elif character == self.escape and self.at < len(self.text):
                following = self.text[self.at]
                self.at += 1
                pieces.append(following if following in f'"${self.escape}' else character + following)
            else:
                pieces.append(character)
        raise CantExpand("unexpected end of statement while looking for matching double-quote")

    # --- variables
    def _dollar(self) -> str:
        """What stands behind a `$`."""
        if self.text.startswith("{", self.at):
            self.at += 1
            return self._braced()
        name = self._name()
        return self._value(name) or "" if name else "$"

    def _name(self) -> str:
        match = re.compile(r"[A-Za-z_]\w*|\d+|[@*#?$!-]", re.ASCII).match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]

    def _value(self, name: str) -> str | None:
        self.used.add(name)
        found = self.env.get(name)
        if found is None:
            self.unset.add(name)
        return found

    def _braced(self) -> str:
        begin = self.at
        name = self._name()
        if not name:
            raise CantExpand("syntax error: bad substitution")
        rest = self.text[self.at :]
        if rest.startswith("}"):
            self.at += 1
            return self._value(name) or ""
        if match := re.match(r":?[-+?]", rest):
            self.at += match.end()
            return self._chosen(name, match[0])
        if match := re.match(r"##?|%%?", rest):
            self.at += match.end()
            pattern = self._until("}")
            return trimmed(self._value(name) or "", pattern, match[0])
        if match := re.match(r"//?", rest):
            self.at += match.end()
            pattern = self._until("/")
            return replaced(self._value(name) or "", pattern, self._until("}"), everywhere=match[0] == "//")
        if not rest:
            raise CantExpand("syntax error: missing '}'")
        raise CantExpand(f"unsupported modifier ({rest[0]}) in substitution: ${{{self.text[begin:]}")

    def _chosen(self, name: str, operator: str) -> str:
        before = set(self.unset)
        value = self._value(name)
        word = self._until("}")
        there = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("?"):
            if not there:
                raise CantExpand(f"{name}: {word or 'parameter not set'}")
            return value or ""
        # whoever writes a default knows that it may be unset
        self.unset = before | (self.unset - {name})
        if operator.endswith("-"):
            return value or "" if there else word
        return word if there else ""


def regex_of(pattern: str) -> str:
    """A shell pattern: `*`, `?`, and a backslash before what is meant as it stands."""
    found, characters = "", iter(pattern)
    for character in characters:
        if character == "*":
            found += ".*"
        elif character == "?":
            found += "."
        elif character == "\\":
            found += re.escape(next(characters, "\\"))
        else:
            found += re.escape(character)
    return found


def trimmed(value: str, pattern: str, operator: str) -> str:
    """Without the shortest (`#`, `%`) or longest (`##`, `%%`) beginning or end that fits."""
    fits = re.compile(regex_of(pattern), re.DOTALL).fullmatch
    lengths = range(len(value) + 1) if len(operator) == 1 else range(len(value), -1, -1)
    for length in lengths:
        if operator[0] == "#" and fits(value[:length]):
            return value[length:]
        if operator[0] == "%" and fits(value[len(value) - length :]):
            return value[: len(value) - length]
    return value


def replaced(value: str, pattern: str, replacement: str, *, everywhere: bool) -> str:
    """The first or every longest fit replaced. An empty pattern fits nothing."""
    if not pattern:
        return value

    def put(match: re.Match[str]) -> str:
        return replacement if match[0] else ""

    return re.sub(regex_of(pattern), put, value, count=0 if everywhere else 1, flags=re.DOTALL)


def expand(word: str, env: Mapping[str, str], escape: str = "\\") -> str:
    """One word, quotes removed. Raises CantExpand."""
    if not any(character in word for character in f"$\"'{escape}"):
        return word
    return Expander(word, env, escape).run()


def expand_words(word: str, env: Mapping[str, str], escape: str = "\\") -> list[str]:
    """As `expand`, split at blanks outside of quotes. Raises CantExpand."""
    return Expander(word, env, escape).split()


def expand_heredoc(text: str, env: Mapping[str, str]) -> str:
    """A here-document's content with its variables; quotes stay. Raises CantExpand."""
    return Expander(text, env, quotes=False).run()


def used_in(word: str, escape: str = "\\") -> set[str]:
    """The names that a word asks for and has no default for; empty for a word that can't be read."""
    expander = Expander(word, {}, escape)
    try:
        expander.run()
    except CantExpand:
        return expander.used
    return expander.unset
