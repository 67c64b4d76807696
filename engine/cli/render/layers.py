"""A pull's or push's layers: redrawn in place on a terminal, elsewhere one line a change, as `docker pull` has it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TextIO

MOVING = {"Downloading", "Extracting", "Pushing"}


class Layers:
    """Called with each of the engine's lines. `live` False: nothing is redrawn, and no bytes are shown."""

    def __init__(self, stream: TextIO = sys.stdout, *, live: bool | None = None) -> None:
        self._stream = stream
        self._live = stream.isatty() if live is None else live
        self._places: dict[str, int] = {}

    def __call__(self, line: Mapping[str, Any]) -> None:
        id, status = str(line.get("id") or ""), str(line.get("status") or "")
        if not status or (status in MOVING and not self._live):
            return
        text = f"{id}: {status}" if id else status
        if not self._live or not id or "progressDetail" not in line:
            self._places.clear()
            print(text, file=self._stream, flush=True)
            return
        self._redraw(id, f"{text} {line.get('progress') or ''}".rstrip())

    def _redraw(self, id: str, text: str) -> None:
        if id not in self._places:
            self._places[id] = len(self._places)
            print(file=self._stream)
        up = len(self._places) - self._places[id]
        self._stream.write(f"\x1b[{up}A\r\x1b[2K{text}\x1b[{up}B\r")
        self._stream.flush()
