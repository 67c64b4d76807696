"""The flags of an instruction: `--name=value` words between the keyword and its arguments. Which there are is a table.

Source: Dockerfile reference; an unknown flag is a fault with its place, never passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.dockerfile.faults import meant
from engine.dockerfile.lex import BLANKS

# instruction → its flags; True where the flag is a switch (`--link`, `--link=false`).
FLAGS: dict[str, dict[str, bool]] = {
    "FROM": {"platform": False},
    "RUN": {"mount": False, "network": False, "security": False, "device": False},
    "COPY": {
        "from": False,
        "chown": False,
        "chmod": False,
        "link": True,
        "parents": True,
        "exclude": False,
    },
    "ADD": {
        "chown": False,
        "chmod": False,
        "link": True,
        "exclude": False,
        "checksum": False,
        "keep-git-dir": True,
        "unpack": True,
    },
    "HEALTHCHECK": {
        "interval": False,
        "timeout": False,
        "start-period": False,
        "start-interval": False,
        "retries": False,
    },
}
REPEATED = frozenset({"mount", "exclude", "device"})


class Wrong(ValueError):
    """A fault at an offset of the line."""

    def __init__(self, code: str, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.offset, self.hint = code, offset, hint


@dataclass(frozen=True, slots=True)
class Flag:
    name: str
    value: str
    offset: int


class Flags:
    """Those of one instruction. `end` is the offset at which the arguments begin."""

    def __init__(self, keyword: str, found: list[Flag], end: int) -> None:
        self.end = end
        self._found: dict[str, list[Flag]] = {}
        known = FLAGS.get(keyword, {})
        for flag in found:
            if flag.name not in known:
                hint = meant(f"--{flag.name}", [f"--{name}" for name in known])
                if not known:
                    hint = f"{keyword} has no flags"
                raise Wrong("unknown-flag", f"unknown flag: --{flag.name}", flag.offset, hint)
            if flag.name in self._found and flag.name not in REPEATED:
                raise Wrong("flag", f"duplicate flag specified: --{flag.name}", flag.offset)
            if not flag.value and not known[flag.name]:
                raise Wrong("flag", f"missing a value on flag: --{flag.name}", flag.offset)
            self._found.setdefault(flag.name, []).append(flag)

    def text(self, name: str) -> str:
        return self._found[name][0].value if name in self._found else ""

    def all(self, name: str) -> list[Flag]:
        return self._found.get(name, [])

    def switch(self, name: str) -> bool | None:
        """None when it isn't there. Raises Wrong."""
        if name not in self._found:
            return None
        flag = self._found[name][0]
        if flag.value.lower() not in ("", "true", "false"):
            raise Wrong("flag", f"expecting boolean value for flag {name}, not: {flag.value}", flag.offset)
        return flag.value.lower() != "false"


def split_flags(keyword: str, text: str, start: int, escape: str) -> Flags:
    """The flags at the beginning of the arguments, which start at offset `start` of `text`. Raises Wrong."""
    found: list[Flag] = []
    at = start
    while True:
        while at < len(text) and text[at] in BLANKS:
            at += 1
        if not text.startswith("--", at):
            break
        begin = at
        word, at = flag_word(text, at, escape)
        if word == "--":
            break
        name, _, value = word[2:].partition("=")
        found.append(Flag(name, value, begin))
    while at < len(text) and text[at] in BLANKS:
        at += 1
    return Flags(keyword, found, at)


def flag_word(text: str, at: int, escape: str) -> tuple[str, int]:
    """One word without its quotes, and where it ends. Within quotes and after an escape, blanks belong to it."""
    word, quote = "", ""
    while at < len(text):
        character = text[at]
        if not quote and character in BLANKS:
            break
        if character == escape and at + 1 < len(text):
            at += 1
            # the escape stays before what expansion must not touch
            word += text[at] if text[at] in f"{BLANKS}\"'" else escape + text[at]
        elif quote:
            if character == quote:
                quote = ""
            else:
                word += character
        elif character in "\"'":
            quote = character
        else:
            word += character
        at += 1
    return word, at
