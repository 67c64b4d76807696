"""A container's log: read from conmon's files, followed by inotify, rotated by renaming.

Rotation keeps `max-file` files: log, log.1 (the one before it), … A reader that follows finds the file that it reads
renamed, reads it to its end, and goes on with the new one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

import anyio
import anyio.to_thread

from engine.api.errors import NotImplementedByEngine
from engine.api.frames import Frame, Stream
from engine.daemon.containers.launching import log_driver
from engine.daemon.containers.logtext import LogLine, Wanted, frames_of, last_lines, parse_line
from engine.daemon.containers.phase import Phase
from engine.daemon.containers.refusals import size_of
from engine.daemon.containers.rooms import Rooms
from engine.daemon.containers.shelf import Entry
from engine.kit.syscalls import LIBC, checked

IN_MODIFY, IN_MOVE_SELF, IN_DELETE_SELF, IN_CREATE, IN_MOVED_TO = 0x2, 0x800, 0x400, 0x100, 0x80
IN_NONBLOCK, IN_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
PIECE = 256 * 1024
ROTATE_SECONDS = 1.0
# A missed word of the kernel's costs this much delay, no more.
LONGEST_SILENCE = 2.0

Emit = Callable[[list[Frame]], Awaitable[None]]


class Ear:
    """Hears when files in a folder change. One descriptor for each follower; close it."""

    def __init__(self, folder: Path) -> None:
        self._handle = checked(LIBC.inotify_init1(IN_NONBLOCK | IN_CLOEXEC), "inotify")
        mask = ctypes.c_uint32(IN_MODIFY | IN_CREATE | IN_MOVED_TO)
        try:
            checked(LIBC.inotify_add_watch(self._handle, os.fsencode(folder), mask), str(folder))
        except OSError:
            os.close(self._handle)
            raise

    async def wait(self) -> None:
        """Until something has changed since the last call, or a while has passed."""
        with anyio.move_on_after(LONGEST_SILENCE):
            await anyio.wait_readable(self._handle)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._handle, 65536):
                pass

    def close(self) -> None:
        anyio.notify_closing(self._handle)
        os.close(self._handle)


class Logs:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def check(self, entry: Entry) -> None:
        """Raises NotImplementedByEngine for driver none, before anything is answered."""
        if log_driver(entry.container) == "none":
            raise NotImplementedByEngine("configured logging driver does not support reading")

    async def copy(self, entry: Entry, wanted: Wanted, emit: Emit) -> None:
        """Give frames to `emit`, in batches. Followed, it ends with the process."""
        path = self._rooms.log_of(entry.id)
        broken: set[Stream] = set()
        ear = Ear(path.parent) if wanted.follow else None
        reader = Reader(path)
        try:
            await self._copy_kept(reader, wanted, broken, emit)
            if ear is not None:
                await self._copy_coming(entry, reader, ear, wanted, broken, emit)
        finally:
            reader.close()
            if ear is not None:
                ear.close()

    async def _copy_kept(self, reader: Reader, wanted: Wanted, broken: set[Stream], emit: Emit) -> None:
        if wanted.tail is not None:
            lines = await anyio.to_thread.run_sync(reader.last, wanted)
            await emit(frames_of(lines, wanted, broken))
            return
        while lines := await anyio.to_thread.run_sync(reader.more):
            taken = [line for line in lines if wanted.takes(line)]
            if taken:
                await emit(frames_of(taken, wanted, broken))

    async def _copy_coming(
        self, entry: Entry, reader: Reader, ear: Ear, wanted: Wanted, broken: set[Stream], emit: Emit
    ) -> None:
        """Until the process has ended and the last byte was read; `until` ends it too."""
        exited = entry.exited
        over = not entry.phase.alive
        while True:
            # In this order: what was written before the end is read after it is known.
            over = over or exited.happened or entry.exited is not exited
            lines = reader.more()
            taken = [line for line in lines if wanted.takes(line)]
            if taken:
                await emit(frames_of(taken, wanted, broken))
            if (over and not lines) or (wanted.until and self._rooms.now() > wanted.until):
                return
            if not lines:
                await first_of(ear.wait, exited.wait)

    async def rotate_for_ever(self) -> None:
        """Keep each log with a max-size below it."""
        while True:
            await self._rooms.clock.sleep(ROTATE_SECONDS)
            for entry in self._rooms.shelf:
                options = (entry.container.host.get("LogConfig") or {}).get("Config") or {}
                if entry.phase is Phase.RUNNING and options.get("max-size"):
                    size = size_of(options["max-size"])
                    try:
                        if size > 0 and rotate(self._rooms.log_of(entry.id), size, int(options.get("max-file", 1))):
                            self._rooms.runtime.reopen_log(entry.id)
                    except OSError as error:
                        # the next turn tries again; the log grows meanwhile
                        print(f"the log of {entry.id[:12]} is not rotated: {error}", file=sys.stderr, flush=True)


async def first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    """Return when one of them has."""
    async with anyio.create_task_group() as tasks:

        async def one(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        for wait in waits:
            tasks.start_soon(one, wait)


class Reader:
    """Reads a log's files from the oldest on, whole lines at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: list[Path] = [*rotated(path), path]
        self._file: BinaryIO | None = None
        self._rest = b""

    def more(self) -> list[LogLine]:
        """The next lines; [] when there are none now."""
        while True:
            if self._file is None and not self._open():
                return []
            assert self._file is not None
            piece = self._file.read(PIECE)
            if piece:
                text, _, self._rest = (self._rest + piece).rpartition(b"\n")
                lines = [line for row in text.split(b"\n") if (line := parse_line(row)) is not None]
                if lines:
                    return lines
                continue
            if not self._files and self._is_present():
                return []
            self._file.close()
            self._file, self._rest = None, b""

    def _open(self) -> bool:
        path = self._files.pop(0) if self._files else self._path
        try:
            self._file = path.open("rb", buffering=0)
        except FileNotFoundError:
            return bool(self._files) and self._open()
        return True

    def _is_present(self) -> bool:
        """Whether the file that is open is still the one of that name."""
        assert self._file is not None
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return True

    def last(self, wanted: Wanted) -> list[LogLine]:
        """The last lines of those wanted; what comes later is read by `more`."""
        count = wanted.tail or 0
        kept: list[LogLine] = []
        while lines := self.more():
            kept += [line for line in lines if wanted.takes(line)]
            if len(kept) > 4 * count + 4096:
                kept = last_lines(kept, count)
        return last_lines(kept, count)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def rotated(path: Path) -> list[Path]:
    """The older files, the oldest first."""
    numbered = [(int(f.suffix[1:]), f) for f in path.parent.glob(f"{path.name}.*") if f.suffix[1:].isdecimal()]
    return [file for _, file in sorted(numbered, reverse=True)]


def rotate(path: Path, size: int, files: int) -> bool:
    """Rename when it has grown past `size`; True when the writer must open the name anew."""
    try:
        if path.stat().st_size < size:
            return False
    except FileNotFoundError:
        return False
    for old in rotated(path):
        number = int(old.suffix[1:])
        if number + 1 >= files:
            old.unlink(missing_ok=True)
        else:
            old.rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))
    if files <= 1:
        # Readers that have it open read on; the name is gone.
        path.with_name(f"{path.name}.1").unlink()
    return True
