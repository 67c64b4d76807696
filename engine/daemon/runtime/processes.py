"""Processes by pid, without mistaking one for a later one of the same number: pidfds, and whose child it is."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import anyio


def parent_of(pid: int) -> int | None:
    """None where there is no such process, or only its remains (a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, parent = stat.rpartition(")")[2].split()[:2]
    return None if state in "ZX" else int(parent)


def names(pid: int, word: str) -> bool:
    """Whether the process' command line holds `word`: a monitor is known by its container's id."""
    try:
        return word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def read_pid(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def heeds(pid: int, number: int) -> bool:
    """Whether the process handles the signal or waits for it (proc_pid_status(5)); one that is gone needs none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return True
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigCgt:", "SigBlk:"))]
    return number in (signal.SIGKILL, signal.SIGSTOP) or any(mask >> (number - 1) & 1 for mask in masks)


def send_signal(pid: int, number: int) -> bool:
    """False when the process is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        signal.pidfd_send_signal(handle, signal.Signals(number) if number in set(signal.Signals) else number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


async def ended(pid: int) -> None:
    """Return once the process has ended; at once if it isn't there. It need not be a child of ours."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await anyio.wait_readable(handle)
    finally:
        with contextlib.suppress(Exception):
            anyio.notify_closing(handle)
        os.close(handle)
