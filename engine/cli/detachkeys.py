"""The keys that leave a process running: looked for in what is typed, and not passed on. Pure.

Source: docker/cli, --detach-keys; moby/term, EscapeProxy.
"""

from __future__ import annotations

from engine.api.errors import InvalidArgument

DEFAULT = "ctrl-p,ctrl-q"
CONTROLS = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse_keys(text: str) -> bytes:
    """`ctrl-p,ctrl-q` or `a,b` → the bytes that a terminal sends. Raises InvalidArgument."""
    return bytes(parse_key(key) for key in text.split(",")) if text else b""


def parse_key(key: str) -> int:
    if len(key) == 1 and key.isascii():
        return ord(key)
    letter = key.removeprefix("ctrl-")
    if key.startswith("ctrl-") and len(letter) == 1:
        if letter in CONTROLS:
            return CONTROLS[letter]
        if "a" <= letter <= "z":
            return ord(letter) - ord("a") + 1
    raise InvalidArgument(f'--detach-keys takes keys like ctrl-p,ctrl-q or a,b, not "{key}"')


class DetachKeys:
    """What is typed, watched. Keys of a sequence that isn't finished are held back until it is clear."""

    def __init__(self, keys: bytes) -> None:
        self.keys = keys
        self.held = b""
        self.found = False

    def feed(self, data: bytes) -> bytes:
        """What to pass on; once `found`, the rest of what was typed is dropped."""
        if not self.keys:
            return data
        out = b""
        for byte in data:
            self.held += bytes([byte])
            if self.held == self.keys:
                self.found = True
                return out
            while self.held and not self.keys.startswith(self.held):
                out, self.held = out + self.held[:1], self.held[1:]
        return out
