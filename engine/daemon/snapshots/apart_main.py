"""The process that unpacks one layer: `python -m engine.daemon.snapshots.apart_main FOLDER PARENT`.

Reads frames (apart.HEAD) from its input, writes JSON to its output. Small imports only: it starts for every layer.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
from pathlib import Path

from engine.daemon.snapshots.apart import HEAD, described, fault_described
from engine.daemon.snapshots.intake import take_in
from engine.daemon.snapshots.tarread import TarFault

PR_SET_PDEATHSIG = 1
READ = 1 << 18


class BrokenOff(Exception):
    """The daemon went away, or gave the layer up."""


class Frames:
    """The stream that the daemon sends, as a Next."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._left = 0
        self._ended = False

    def next(self) -> bytes:
        if not self._left and not self._ended:
            (self._left,) = HEAD.unpack(self._exactly(HEAD.size))
            self._ended = not self._left
        if self._ended:
            return b""
        piece = self._read(min(self._left, READ))
        self._left -= len(piece)
        return piece

    def _exactly(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            content += self._read(size - len(content))
        return content

    def _read(self, size: int) -> bytes:
        piece = os.read(self._handle, size)
        if not piece:
            raise BrokenOff
        return piece


def main() -> int:
    root, parent = Path(sys.argv[1]), int(sys.argv[2])
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return 1
    os.chdir("/")
    # one short task, no circles: a collection would look at every path for nothing
    gc.disable()
    frames = Frames(0)
    try:
        answer = described(*take_in(frames.next, root, alone=True))
        while frames.next():
            pass
    except BrokenOff:
        return 1
    except (TarFault, OSError) as fault:
        answer = fault_described(fault)
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
