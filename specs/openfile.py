"""Files that a user names, opened so that no name can make us wait for ever or fill the memory.

Regular files, and what a shell hands over: a pipe that somebody writes to (`<(command)`, /dev/stdin), a terminal.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from difflib import get_close_matches

# One byte more than the largest file that is read as YAML: whoever asks sees that it is too large.
MOST_BYTES = (32 << 20) + 1
PIECE = 1 << 16


def read_bytes(path: str) -> bytes:
    """The content, up to MOST_BYTES. Raises OSError with words that say what it is instead of a file."""
    # Without O_NONBLOCK, opening a named pipe waits until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if stat.S_ISREG(mode):
            return read_all(descriptor)
        if stat.S_ISFIFO(mode) or os.isatty(descriptor):
            return read_pipe(descriptor, path, named=stat.S_ISFIFO(mode))
        if os.path.realpath(path) == os.devnull:
            return b""
        raise OSError(errno.EINVAL, "it is a device, not a file", path)
    finally:
        os.close(descriptor)


def read_text(path: str) -> str:
    """The content as text, its line ends as they are; bytes that are no UTF-8 become U+FFFD. Raises OSError."""
    content = read_bytes(path)
    if len(content) == MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES >> 20} MiB", path)
    return content.decode("utf-8", "replace")


def read_all(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(MOST_BYTES)


def read_pipe(descriptor: int, path: str, *, named: bool) -> bytes:
    """Until the last writer is gone; nothing to read and no writer means that nobody has come."""
    pieces: list[bytes] = []
    total = 0
    wait = select.poll()
    wait.register(descriptor, select.POLLIN)
    while total < MOST_BYTES:
        try:
            piece = os.read(descriptor, PIECE)
        except BlockingIOError:
            wait.poll()
            continue
        if not piece:
            break
        pieces.append(piece)
        total += len(piece)
    if not pieces and named and is_named_pipe(path):
        raise OSError(errno.ENXIO, "it is a named pipe that nobody writes to", path)
    return b"".join(pieces)


def is_named_pipe(path: str) -> bool:
    """A pipe with a place in the file system: an unnamed one (`<(…)`) is only reached through /proc or /dev/fd."""
    return not os.path.realpath(path).startswith("/proc/")


def near(path: str) -> str | None:
    """A hint at a file beside `path` whose name is much like its own; for one that isn't there."""
    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return None
    close = get_close_matches(name, [other for other in names if other != name], 1, 0.7)
    return f'did you mean "{close[0]}"?' if close else None
