"""A folder with one owner: a lock file held for as long as the process lives, freed by the kernel when it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Owned(Exception):
    """Another process owns the folder."""


@contextmanager
def sole_owner_of(folder: Path) -> Iterator[None]:
    """Hold the folder, which must exist, for the time of the block. Raises Owned, OSError."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Owned(str(folder)) from None
        yield
    finally:
        os.close(lock)
