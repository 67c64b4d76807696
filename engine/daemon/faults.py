"""What went wrong, as the engine tells it: a group's leaf, a shortage of the machine's, a fault that nobody foresaw.

Called by the routes, and by whatever works on its own in the background: there a fault must end no more than its work.
"""

from __future__ import annotations

import errno
import sys
import traceback

from engine.api.errors import EngineError, SystemFailure


def leaf_of(error: BaseException) -> BaseException:
    """The fault that a task group wrapped: one of ours before any other."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [leaf_of(inner) for inner in error.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, EngineError)), leaves[0])


def is_shortage(leaf: BaseException) -> bool:
    """Whether a fork or a thread was refused: a limit of pids, or of memory."""
    if isinstance(leaf, RuntimeError):
        return str(leaf) == "can't start new thread"
    return isinstance(leaf, OSError) and leaf.errno in (errno.EAGAIN, errno.ENOMEM)


def fault_of(error: Exception) -> EngineError:
    """What the client is told. A fault that nobody foresaw is written to the daemon's log, whole."""
    leaf = leaf_of(error)
    if isinstance(leaf, EngineError):
        return leaf
    if is_shortage(leaf):
        return SystemFailure(f"no more processes can be begun on this machine, or for this engine: {leaf}")
    print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
    words = f"{leaf.filename}: {leaf.strerror}" if isinstance(leaf, OSError) and leaf.filename else str(leaf)
    return EngineError(words or type(leaf).__name__)
