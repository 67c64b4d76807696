"""The keys that part a terminal from its container: ctrl-p ctrl-q unless said otherwise. Pure."""

from __future__ import annotations

import re

from engine.api.errors import InvalidArgument

DEFAULT = "ctrl-p,ctrl-q"
OTHERS = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse_keys(text: str) -> bytes:
    """`ctrl-p,ctrl-q` or `a,b` → bytes. Raises InvalidArgument."""
    made = bytearray()
    for word in (text or DEFAULT).split(","):
        found = re.fullmatch(r"ctrl-([a-zA-Z@\[\\\]^_])", word)
        if found is not None:
            letter = found[1].lower()
            made.append(OTHERS[letter] if letter in OTHERS else ord(letter) - 96)
        elif len(word) == 1 and word.isascii():
            made.append(ord(word))
        else:
            raise InvalidArgument(f"invalid detach keys ({text}) provided: unknown character: '{word}'")
    return bytes(made)


class KeyWatch:
    """Finds the keys in what is typed, however it was cut; holds back a beginning until it is known to be none."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, piece: bytes) -> tuple[bytes, bool]:
        """→ (what to pass on, whether the keys were typed)."""
        text = self._held + piece
        index = text.find(self._keys)
        if index >= 0:
            return text[:index], True
        for length in range(min(len(self._keys) - 1, len(text)), 0, -1):
            if self._keys.startswith(text[-length:]):
                self._held = text[-length:]
                return text[:-length], False
        self._held = b""
        return text, False
