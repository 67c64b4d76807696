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

# What a user without a line is checked against, so that the time doesn't tell whether there is such a user.
NOBODY = b"$2b$10$CwTycUXWue0Thq9StjUM0uJ8.c7dK1nSh1V1zzLBv2kPmwuSmOHEq"
MOST_BYTES = 72


class UsersInvalid(Exception):
    """The file can't be used; the text is whole and names it."""


class Users:
    def __init__(self, path: Path) -> None:
        """Raises UsersInvalid, so that a registry doesn't begin with a file that lets nobody in."""
        self._path = path
        self._stamp = (0, 0)
        self._lines: dict[str, bytes] = {}
        self._key = os.urandom(32)
        self._right: set[bytes] = set()
        self._checking = anyio.CapacityLimiter(2)
        self._read()

    def _read(self) -> None:
        try:
            status = self._path.stat()
            if (stamp := (status.st_mtime_ns, status.st_size)) == self._stamp:
                return
            text = self._path.read_text()
        except OSError as error:
            raise UsersInvalid(f"{self._path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsersInvalid(f"{self._path}: this is not an htpasswd file: {error}") from error
        lines: dict[str, bytes] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            user, colon, hashed = line.strip().partition(":")
            if not colon or not hashed.startswith(("$2y$", "$2b$", "$2a$")):
                raise UsersInvalid(f"{self._path}:{number}: want <user>:<bcrypt hash>, as `htpasswd -B` writes it")
            lines[user] = hashed.encode()
        self._lines, self._stamp = lines, stamp
        self._right.clear()

    async def check(self, user: str, password: str) -> bool:
        """Whether the password is the user's. A file that became unreadable lets in whom it let in before."""
        try:
            self._read()
        except UsersInvalid as fault:
            print(f"rorqual: {fault}", flush=True)
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
