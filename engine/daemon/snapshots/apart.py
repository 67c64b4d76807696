"""Large layers unpacked by a process each: one interpreter makes files for one core only, and the daemon's has others
to serve.

The process gets the stream in frames (`HEAD`, a length, then so many bytes; length 0 is the end) and says in JSON what
it found. It dies with the thread that began it: what a killed daemon leaves is a folder in no record, which the next
start removes. Called by snapshots.layers, in a thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine.api.errors import SystemFailure
from engine.daemon.snapshots.streams import Next
from engine.daemon.snapshots.tarread import TarFault
from engine.daemon.snapshots.unpack import Unpacked

HEAD = struct.Struct(">I")
MODULE = "engine.daemon.snapshots.apart_main"
# What a pipe may hold without special rights (/proc/sys/fs/pipe-max-size, unless somebody made it smaller).
PIPE_BYTES = 1 << 20


def take_in_apart(packed: Next, root: Path) -> tuple[str, Unpacked]:
    """As intake.take_in, by a process. What `packed` raises goes through, when the process is gone.

    Raises SystemFailure for a process that died.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", MODULE, os.fspath(root), str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        feed(process, packed)
        answer, said = process.communicate()
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return outcome(answer, said.decode(errors="replace"), process.returncode)


def feed(process: subprocess.Popen[bytes], packed: Next) -> None:
    """All of the stream, unless the process doesn't want more of it: it has found a fault then, and says which."""
    assert process.stdin is not None
    handle = process.stdin.fileno()
    with contextlib.suppress(OSError):
        fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with contextlib.suppress(BrokenPipeError):
        while piece := packed():
            write_frame(handle, piece)
        write_frame(handle, b"")


def write_frame(handle: int, piece: bytes) -> None:
    left = memoryview(HEAD.pack(len(piece)) + piece)
    while left:
        left = left[os.write(handle, left) :]


def outcome(answer: bytes, said: str, code: int) -> tuple[str, Unpacked]:
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError:
        last = said.strip().rpartition("\n")[2]
        raise SystemFailure(
            f"the process that unpacked a layer ended with {code}: {last or 'it said nothing'}"
        ) from None
    if "tar_fault" in found:
        raise TarFault(found["tar_fault"])
    if "errno" in found:
        raise OSError(found["errno"], os.strerror(found["errno"]), found["path"])
    missing = [(path.encode("latin-1"), target.encode("latin-1")) for path, target in found["missing"]]
    implied = {path.encode("latin-1") for path in found["implied"]}
    return found["diff_id"], Unpacked(found["size"], implied, missing)


def described(diff_id: str, found: Unpacked) -> dict[str, Any]:
    """What `outcome` reads. Paths are bytes: latin-1 has a letter for each."""
    return {
        "diff_id": diff_id,
        "size": found.size,
        "implied": [path.decode("latin-1") for path in found.implied],
        "missing": [(path.decode("latin-1"), target.decode("latin-1")) for path, target in found.missing],
    }


def fault_described(fault: TarFault | OSError) -> dict[str, Any]:
    if isinstance(fault, TarFault):
        return {"tar_fault": str(fault)}
    return {"errno": fault.errno or errno.EIO, "path": str(fault.filename or "")}
