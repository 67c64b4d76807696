"""conmon's log lines ↔ the log's content. Pure.

A line is `TIME STREAM TAG CONTENT`: TAG is F for a whole line, P for a piece of one whose rest follows (the Kubernetes
log format). Content never holds a newline; the newline of a whole line is the program's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from engine.api.errors import InvalidArgument
from engine.api.frames import Frame, Stream
from engine.daemon.containers.moments import nanoseconds_of
from engine.daemon.containers.record import Container

STREAMS = {b"stdout": Stream.STDOUT, b"stderr": Stream.STDERR}
ZONED = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})(Z|[+-]\d\d:\d\d)")


class LogLine(NamedTuple):
    time: bytes  # RFC 3339 as it stands in the file
    stream: Stream
    whole: bool
    content: bytes

    @property
    def output(self) -> bytes:
        """What the program wrote."""
        return self.content + b"\n" if self.whole else self.content


def parse_line(line: bytes) -> LogLine | None:
    """One line without its newline; None for one that is none."""
    words = line.split(b" ", 3)
    if len(words) < 4 or words[1] not in STREAMS:
        return None
    return LogLine(words[0], STREAMS[words[1]], words[2].startswith(b"F"), words[3])


def time_of(line: LogLine) -> int:
    """Nanoseconds since the epoch; 0 for what is no time."""
    try:
        return nanoseconds_of(line.time.decode("ascii", "replace"))
    except InvalidArgument:
        return 0


def utc(time: bytes) -> bytes:
    """As the API shows it: nine digits and `Z`."""
    found = ZONED.fullmatch(time)
    if found is None or found[3] in (b"Z", b"+00:00"):
        return time.replace(b"+00:00", b"Z")
    moment = datetime.fromisoformat(found[1].decode() + found[3].decode()).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S").encode() + b"." + found[2] + b"Z"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a log is asked for; times in nanoseconds, 0 for none. `tail` None: all."""

    stdout: bool = True
    stderr: bool = True
    since: int = 0
    until: int = 0
    timestamps: bool = False
    tail: int | None = None
    follow: bool = False
    # Put before each line, as `docker logs --details` asks: the log options' labels and variables.
    details: bytes = b""

    def takes(self, line: LogLine) -> bool:
        if not (self.stdout if line.stream is Stream.STDOUT else self.stderr):
            return False
        if not (self.since or self.until):
            return True
        when = time_of(line)
        return when >= self.since and (not self.until or when <= self.until)


def frames_of(lines: Iterable[LogLine], wanted: Wanted, broken: set[Stream]) -> list[Frame]:
    """Lines as frames, one for each. `broken` remembers streams whose line is not at its end: no stamp in between."""
    frames = []
    for line in lines:
        output = line.output
        if line.stream not in broken:
            stamp = utc(line.time) + b" " if wanted.timestamps else b""
            output = stamp + wanted.details + output
        (broken.discard if line.whole else broken.add)(line.stream)
        frames.append(Frame(line.stream, output))
    return frames


def log_details(container: Container) -> bytes:
    """`key=value,…`: the labels and variables that the log options name, sorted."""
    options = (container.host.get("LogConfig") or {}).get("Config") or {}
    env = dict(entry.partition("=")[::2] for entry in container.config.get("Env") or [] if "=" in entry)
    found: dict[str, str] = {}
    for option, values in (("labels", container.labels), ("env", env)):
        for name in filter(None, (word.strip() for word in str(options.get(option) or "").split(","))):
            if name in values:
                found[name] = values[name]
    return ",".join(f"{quote(name)}={quote(value)}" for name, value in sorted(found.items())).encode()


def last_lines(lines: list[LogLine], count: int) -> list[LogLine]:
    """The last `count` whole lines, pieces that belong to them included."""
    found = 0
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].whole or index == len(lines) - 1:
            found += 1
            if found > count:
                return lines[index + 1 :]
    return lines if count else []
