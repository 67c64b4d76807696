"""Lines of many containers on one screen: each with a coloured prefix, aligned, never torn."""

from __future__ import annotations

import sys

from engine.api.frames import Stream
from engine.cli.follow import Source
from engine.cli.loglines import LogLine
from engine.cli.moments import to_rfc3339
from engine.cli.output import write

# Compose's rainbow: cyan, yellow, green, magenta, blue, then the same brighter.
COLOURS = ("36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1")


class LogPrinter:
    """Writes to stdout; what the containers wrote to stderr goes there too, or with `apart` to stderr."""

    def __init__(self, *, colour: bool, prefix: bool = True, timestamps: bool = False, apart: bool = False) -> None:
        self.colour = colour
        self.prefix = prefix
        self.timestamps = timestamps
        self.apart = apart
        # Lines that are all there already needn't be flushed one by one.
        self.live = True
        self.width = 0
        self.colours: dict[str, str] = {}

    def expect(self, source: Source) -> None:
        """Make room for its prefix before its first line, so that the prefixes stand in one column."""
        self.width = max(self.width, len(source.label))

    def head(self, source: Source) -> str:
        if not self.prefix:
            return ""
        self.expect(source)
        text = f"{source.label:<{self.width}}  | "
        if not self.colour:
            return text
        code = self.colours.setdefault(source.label, COLOURS[len(self.colours) % len(COLOURS)])
        return f"\x1b[{code}m{text}\x1b[0m"

    def line(self, source: Source, line: LogLine) -> None:
        stamp = f"{to_rfc3339(line.time)} " if self.timestamps else ""
        head = f"{self.head(source)}{stamp}".encode()
        where = sys.stderr if self.apart and line.stream is Stream.STDERR else sys.stdout
        write(where.buffer, head + line.text + b"\n", flush=self.live)

    def status(self, source: Source, text: str) -> None:
        """The containers' own story between their words: `web-1 exited with code 0`."""
        write(sys.stdout.buffer, f"{source.label} {text}\n".encode())
