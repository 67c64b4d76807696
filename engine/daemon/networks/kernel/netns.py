"""Being in another network namespace for the time of a block, in one thread only. Python 3.11 has no setns.

The block must not await: the thread is the one that entered.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
# /proc/1/ns/net may be unreadable (HOST.md), this one never is.
OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


def setns(handle: int) -> None:
    if _libc.setns(handle, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "setns")


@contextmanager
def inside(netns: Path | int) -> Iterator[None]:
    """The calling thread is in `netns` (a path or an open fd) until the block ends."""
    home = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = netns if isinstance(netns, int) else os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(there)
        finally:
            if there != netns:
                os.close(there)
        try:
            yield
        finally:
            return_to(home)
    finally:
        os.close(home)


def return_to(home: int) -> None:
    """A thread that can't come home would do the host's work in a container: rather none at all."""
    try:
        setns(home)
    except OSError:
        os.write(2, b"rorqual: a thread can't return to its network namespace\n")
        os.abort()
