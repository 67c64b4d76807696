"""The users of a registry: an htpasswd file with bcrypt lines, read again when it changes.

A password that was right once is remembered (as a keyed hash) until the file changes: bcrypt is slow on purpose, and
a push asks two hundred times.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

import anyio
import bcrypt
from anyio import to_thread

from engine.registry.server.textfile import TextFile, UsersInvalid

# What a user without a line is checked against, so that the time doesn't tell whether there is such a user.
NOBODY = b"$2b$10$CwTycUXWue0Thq9StjUM0uJ8.c7dK1nSh1V1zzLBv2kPmwuSmOHEq"
MOST_BYTES = 72


class Users:
    def __init__(self, path: Path) -> None:
        """Raises UsersInvalid, so that a registry doesn't begin with a file that lets nobody in.

        A file that became unreadable lets in whom it let in before.
        """
        self._file = TextFile(path, "an htpasswd file", lambda text: lines_of(text, path))
        self._lines = self._file()
        self._key = os.urandom(32)
        self._right: set[bytes] = set()
        self._checking = anyio.CapacityLimiter(2)

    async def check(self, user: str, password: str) -> bool:
        """Whether the password is the user's."""
        if (lines := self._file()) is not self._lines:
            self._lines = lines
            self._right.clear()
        proof = hmac.new(self._key, f"{user}\0{password}".encode(), hashlib.sha256).digest()
        if proof in self._right:
            return True
        hashed = self._lines.get(user, NOBODY)
        secret = password.encode()[:MOST_BYTES]
        right = await to_thread.run_sync(matches, secret, hashed, limiter=self._checking)
        if right and user in self._lines:
            self._right.add(proof)
            return True
        return False


def matches(password: bytes, hashed: bytes) -> bool:
    try:
        # bcrypt knows $2y$ by the name of $2b$: the same, since crypt_blowfish 1.1
        return bcrypt.checkpw(password, b"$2b$" + hashed[4:])
    except ValueError:
        return False


def lines_of(text: str, path: Path) -> dict[str, bytes]:
    """User → bcrypt hash. Raises UsersInvalid."""
    lines: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, hashed = line.strip().partition(":")
        if not colon or not hashed.startswith(("$2y$", "$2b$", "$2a$")):
            raise UsersInvalid(f"{path}:{number}: want <user>:<bcrypt hash>, as `htpasswd -B` writes it")
        lines[user] = hashed.encode()
    return lines
