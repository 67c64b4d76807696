"""A fault's class → the HTTP status, and the one body that Docker's clients read. Called by the router."""

from __future__ import annotations

import errno
import json
import sys
import traceback

from engine.api.errors import STATUS, EngineError, SystemFailure


def status_of(error: EngineError) -> int:
    return next((status for cls, status in STATUS.items() if isinstance(error, cls)), 500)


def body_of(message: str) -> bytes:
    return (
        json.dumps({"message": message}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
    )


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
    print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
    if is_shortage(leaf):
        return SystemFailure(f"no more processes can be begun on this machine, or for this engine: {leaf}")
    words = f"{leaf.filename}: {leaf.strerror}" if isinstance(leaf, OSError) and leaf.filename else str(leaf)
    return EngineError(words or type(leaf).__name__)
