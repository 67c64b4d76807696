"""A text file of the registry's keeper that is read again when it changes: users, and their rights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class UsersInvalid(Exception):
    """The file can't be used; the text is whole and names it."""


class TextFile(Generic[T]):
    """`kind` is what the file should be, as "an htpasswd file"; `parse` makes of its text what it says.

    A file that can't be read or parsed raises UsersInvalid at first; later it says what it said before, and is told.
    """

    def __init__(self, path: Path, kind: str, parse: Callable[[str], T]) -> None:
        self._path, self._kind, self._parse = path, kind, parse
        self._stamp: tuple[int, int] | None = None
        self._says: T = self._read()

    def __call__(self) -> T:
        """What it says now: the same object until it changes."""
        try:
            self._says = self._read()
        except UsersInvalid as fault:
            print(f"rorqual: {fault}", flush=True)
        return self._says

    def _read(self) -> T:
        try:
            status = self._path.stat()
            if (stamp := (status.st_mtime_ns, status.st_size)) == self._stamp:
                return self._says
            text = self._path.read_text()
        except OSError as error:
            raise UsersInvalid(f"{self._path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsersInvalid(f"{self._path}: this is not {self._kind}: {error}") from error
        found = self._parse(text)
        self._stamp = stamp
        return found
