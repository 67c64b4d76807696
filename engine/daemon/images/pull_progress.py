"""A pull's progress in Docker's words, line by line. Source: moby, distribution/xfer and pkg/jsonmessage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.daemon.images.downloads import COMPLETE, DOWNLOADING, LayerDescriptor

Told = Callable[[dict[str, Any]], None]
BAR = 50


def status_line(status: str, id: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    line: dict[str, Any] = {"status": status, "progressDetail": {}, "id": id}
    if total or current:
        line["progressDetail"] = {"current": current, "total": total}
        line["progress"] = bar(current, total)
    return line


def bar(current: int, total: int) -> str:
    if total <= 0 or current > total:
        return amount(current)
    done = BAR * current // total
    arrow = "=" * done + ">" if done < BAR else "=" * BAR + ">"
    return f"[{arrow}{' ' * (BAR - done)}]  {amount(current)}/{amount(total)}"


def amount(size: float) -> str:
    """As Docker's units write it, of at most four digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.4g}{unit}"
        size /= 1000
    return f"{size:.4g}TB"


class LayerLines:
    """One layer's lines; called with a download's progress."""

    def __init__(self, descriptor: LayerDescriptor, told: Told) -> None:
        self._id = descriptor.digest.encoded[:12]
        self._size = descriptor.size
        self._told = told

    def begins(self) -> None:
        self._told(status_line("Pulling fs layer", self._id))

    def exists(self) -> None:
        self._told(status_line("Already exists", self._id))

    def __call__(self, what: str, current: int, total: int) -> None:
        if what == DOWNLOADING:
            self._told(status_line(what, self._id, current, total))
            return
        self._told(status_line(what, self._id))
        if what == COMPLETE:
            # the layer was unpacked as it came: what is left of it is nearly nothing
            self._told(status_line("Extracting", self._id, total, total))

    def pulled(self) -> None:
        self._told(status_line("Pull complete", self._id))
