"""From frames of a container's log, asked for with timestamps, to whole lines with their times. Pure.

A line that the engine cut into parts is put together again; one that never ended is given out at the end.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.api.frames import Frame, Stream
from engine.cli.moments import from_rfc3339

STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?")
# Docker stores what comes without a newline in parts of this size, each with a timestamp of its own.
PART = 16384
# A line longer than this is given out as it is: somebody writes without ever ending a line.
LONGEST = 1 << 20
# How far apart two lines may be stored in the wrong order: the engine reads both streams of a process side by side.
WINDOW = 10**9


class LogLine(NamedTuple):
    """`time` in nanoseconds since the epoch; `text` without its newline."""

    time: int
    stream: Stream
    text: bytes


def split_stamp(data: bytes) -> tuple[int | None, bytes]:
    found = STAMP.match(data)
    if found is None:
        return None, data
    return from_rfc3339(found.group(1).decode()), data[found.end() :]


class LineCutter:
    """One stream of a log. With a `tty` there are no frames, only bytes with a timestamp at each line's start."""

    def __init__(self, *, tty: bool) -> None:
        self.tty = tty
        self.last = 0
        self.open: dict[Stream, tuple[int, bytes]] = {}

    def feed(self, frame: Frame) -> list[LogLine]:
        return self.feed_bytes(frame.data) if self.tty else self.feed_frame(frame)

    def feed_frame(self, frame: Frame) -> list[LogLine]:
        """A frame is one stored message: a line, or a part of one."""
        found = []
        time, body = split_stamp(frame.data)
        self.last = time or self.last
        before, begun = self.open.pop(frame.stream, (self.last, b""))
        if begun and len(begun) % PART:
            # no part of a longer line, but the last words of an earlier run
            found.append(LogLine(before, frame.stream, begun))
            before, begun = self.last, b""
        *lines, rest = (begun + body).split(b"\n")
        found += [LogLine(before, frame.stream, line) for line in lines]
        if rest:
            self.keep(frame.stream, before, rest, found)
        return found

    def feed_bytes(self, data: bytes) -> list[LogLine]:
        found: list[LogLine] = []
        _, begun = self.open.pop(Stream.STDOUT, (0, b""))
        *lines, rest = (begun + data).split(b"\n")
        for line in lines:
            found.append(self.unstamped(line))
        if rest:
            self.keep(Stream.STDOUT, 0, rest, found)
        return found

    def keep(self, stream: Stream, time: int, rest: bytes, found: list[LogLine]) -> None:
        if len(rest) > LONGEST:
            found.append(self.unstamped(rest) if self.tty else LogLine(time, stream, rest))
        else:
            self.open[stream] = (time, rest)

    def unstamped(self, line: bytes) -> LogLine:
        """A TTY's line without the timestamps of its parts."""
        time, body = split_stamp(line.removesuffix(b"\r"))
        self.last = time or self.last
        whole = b""
        while len(body) > PART and STAMP.match(body, PART):
            whole += body[:PART]
            _, body = split_stamp(body[PART:])
        return LogLine(self.last, Stream.STDOUT, whole + body)

    def rest(self) -> list[LogLine]:
        """What the stream's end leaves without a newline."""
        left = [
            self.unstamped(text) if self.tty else LogLine(time, stream, text)
            for stream, (time, text) in self.open.items()
        ]
        self.open.clear()
        return [line for line in left if line.text]


@dataclass
class Seen:
    """What was given out of one container's log, so that reading it again loses and doubles nothing.

    Lines before `floor` were left out on purpose (--tail, --since).
    """

    floor: int = 0
    last: int = 0
    recent: deque[tuple[int, int]] = field(default_factory=deque)

    def add(self, line: LogLine) -> None:
        self.last = max(self.last, line.time)
        self.recent.append((line.time, hash(line)))
        while self.recent and self.recent[0][0] < self.last - WINDOW:
            self.recent.popleft()

    @property
    def since(self) -> int | None:
        """Where to read on from: a little before the last line, for those that were stored late."""
        return max(self.last - WINDOW, self.floor) or None

    def filter(self) -> Resumed:
        at_floor = sum(1 for time, _ in self.recent if time == self.floor)
        return Resumed(self, Counter(key for _, key in self.recent), self.last, at_floor)


@dataclass
class Resumed:
    """The lines of one more reading of the log, told apart from those given out before.

    `at_floor` are those of the floor's own time that this reading hasn't come to yet. conmon gives all lines that it
    read at once one time: what stands before them was left out too.
    """

    seen: Seen
    known: Counter[int]
    until: int
    at_floor: int

    def is_new(self, line: LogLine) -> bool:
        if line.time < self.seen.floor:
            return False
        if line.time <= self.until and self.known[hash(line)] > 0:
            self.known[hash(line)] -= 1
            self.at_floor -= line.time == self.seen.floor
            return False
        if line.time == self.seen.floor and self.at_floor > 0:
            return False
        self.seen.add(line)
        return True
