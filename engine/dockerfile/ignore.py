"""`.dockerignore`: which paths of a build context stay at home.

Pure. The rules are those of moby's patternmatcher, which are not gitignore's (pathspec's): a pattern is anchored at the
root of the context, `*` stops at a slash, `**` doesn't, the last pattern that matches decides, `!` takes back, and a
pattern that matches a folder matches all below it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    text: str
    takes_back: bool
    regex: re.Pattern[str]

    def matches(self, path: str) -> bool:
        """Whether the pattern matches `path` or a folder above it."""
        return any(self.regex.fullmatch(prefix) for prefix in prefixes(path))


@dataclass(frozen=True, slots=True)
class Ignore:
    patterns: tuple[Pattern, ...] = ()

    def excludes(self, path: str) -> bool:
        """`path` is relative to the context, with slashes, without ./ in front."""
        excluded = False
        for pattern in self.patterns:
            if pattern.takes_back == excluded and pattern.matches(path):
                excluded = not excluded
        return excluded

    def may_take_back_below(self, folder: str) -> bool:
        """Whether a walk must go into an excluded folder: a `!` pattern could name something in it."""
        return any(pattern.takes_back and could_reach(pattern.text, folder) for pattern in self.patterns)

    def keeping(self, *paths: str) -> Ignore:
        """With `paths` taken back, as the Dockerfile and .dockerignore always are."""
        return Ignore((*self.patterns, *(compiled(path, takes_back=True) for path in paths)))


def parse(text: str) -> Ignore:
    """The text of a .dockerignore. Raises ValueError, naming the line, for a pattern that can't be read."""
    patterns = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        # a comment only in column 1; blanks around the pattern and after ! don't count
        if line.startswith("#") or not (words := line.strip()):
            continue
        takes_back = words.startswith("!")
        body = words.removeprefix("!").strip()
        if not body:
            raise ValueError(f'line {number}: "!" names nothing to take back')
        cleaned = clean(body)
        if cleaned == ".":
            continue
        try:
            patterns.append(compiled(cleaned, takes_back=takes_back))
        except re.error as error:
            raise ValueError(f'line {number}: "{words}" is not a pattern: {error}') from None
    return Ignore(tuple(patterns))


def clean(pattern: str) -> str:
    """Go's filepath.Clean, then without a leading slash: `/a//b/../c/` → `a/c`."""
    cleaned = posixpath.normpath(pattern)
    # normpath keeps two leading slashes
    return cleaned.lstrip("/") or "."


def compiled(pattern: str, *, takes_back: bool) -> Pattern:
    return Pattern(pattern, takes_back, re.compile(translate(pattern), re.DOTALL))


def translate(pattern: str) -> str:
    """A cleaned pattern as a regular expression for a whole path.

    A leading `**` before literal text only is a bare suffix (`**file` matches `myfile`); elsewhere `**` stands for
    whole folders (`a**b` matches `a/x/b`, not `axb`).
    """
    if pattern.startswith("**") and not re.search(r"[*?\[\]\\]", pattern[2:]):
        return "(?:.*/)?" + re.escape(pattern[3:]) if pattern.startswith("**/") else ".*" + re.escape(pattern[2:])
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            at += 2
            at += pattern.startswith("/", at)
            out.append("(?:.*/)?" if at < len(pattern) else ".*")
            continue
        if char == "[":
            end = closing(pattern, at)
            out.append(character_class(pattern[at + 1 : end]))
            at = end + 1
            continue
        if char == "\\" and at + 1 < len(pattern):
            at += 1
            out.append(re.escape(pattern[at]))
        elif char == "\\":
            raise re.error("it ends in a backslash")
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)))
        at += 1
    return "".join(out)


def closing(pattern: str, start: int) -> int:
    at = start + 1 + (pattern[start + 1 : start + 2] == "^")
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "]":
            return at
        at += 1
    raise re.error('"[" is never closed')


CLASS = re.compile(r"\^?(?:(?:\\.|[^\\-])(?:-(?:\\.|[^\\-]))?)+", re.DOTALL)


def character_class(body: str) -> str:
    """Go's class is Python's but for `[`, which Python warns about, and stray hyphens, which Go refuses."""
    if not CLASS.fullmatch(body):
        raise re.error(f'"[{body}]" is no set of characters')
    # what is escaped stays; what Python might one day read as a set operation is escaped
    plain = re.sub(r"\\.|[\[&~|]", lambda found: found[0] if found[0][0] == "\\" else f"\\{found[0]}", body)
    return f"[{plain}]"


def could_reach(pattern: str, folder: str) -> bool:
    """Whether something below `folder` could match: part by part, `**` anywhere in front reaches all."""
    wanted, have = pattern.split("/"), folder.split("/")
    for part, name in zip(wanted, have, strict=False):
        if "**" in part:
            return True
        if not re.fullmatch(translate(part), name):
            return False
    # a pattern no longer than the folder takes back the folder itself, and so all below
    return True


def prefixes(path: str) -> Iterable[str]:
    yield path
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
