"""What one load knows while it works: the request's switches, the report, the files in progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from specs.losses import Losses
from specs.node import Node
from specs.openfile import near, read_bytes
from specs.read import Unreadable, read
from specs.remote import Fetch
from specs.resolve.interpolate import Variables
from specs.source import Report, Span


@dataclass(slots=True)
class Context:
    """One per load. `load_layer` is what `include` calls for the files that it brings in."""

    report: Report
    load_layer: Callable[[Context, Layer, list[str]], Node]
    working_directory: str
    interpolate: bool = True
    resolve_paths: bool = True
    strict_env: bool = False
    home: str = "/"
    stdin: bytes | None = None
    fetch: Fetch | None = None
    project_name: str = ""
    # Names of entries of `images:` in the project's own files, known before any of these is merged.
    images: set[str] = field(default_factory=set)
    losses: Losses = field(default_factory=Losses)
    cache: dict[str, list[Node] | Unreadable | OSError] = field(default_factory=dict)
    used_files: list[str] = field(default_factory=list)

    def shown(self, path: str) -> str:
        """A file as diagnostics name it: relative where it lies below the working directory."""
        if path == "-":
            return "<stdin>"
        relative = os.path.relpath(path, self.working_directory)
        return path if relative.startswith("..") else relative

    def documents(self, path: str) -> list[Node]:
        """The documents of a file, read once. Raises Unreadable and OSError, each time it is asked for."""
        if path not in self.used_files:
            self.used_files.append(path)
        return self.opened(path)

    def opened(self, path: str) -> list[Node]:
        """As documents, of a file that is only looked into: it is used where it is merged."""
        known = self.cache.get(path)
        if known is None:
            try:
                known = self.read(path)
            except (Unreadable, OSError) as error:
                known = error
            self.cache[path] = known
        if not isinstance(known, list):
            raise known
        return known

    def readable(self, paths: Sequence[str]) -> Iterator[Node]:
        """The documents of those files that can be read: of the others it is told where they are merged."""
        for path in paths:
            try:
                yield from self.opened(path)
            except (Unreadable, OSError):
                continue

    def read(self, path: str) -> list[Node]:
        text = self.stdin or b"" if path == "-" else read_bytes(path)
        found = read(text, self.shown(path))
        self.report.diagnostics += found.diagnostics
        if found.faulty or found.incomplete:
            for document in found.documents:
                self.losses.prune(document, found.faulty, found.incomplete)
        return found.documents

    def tell_unreadable(self, error: Unreadable | OSError, path: str, place: Node | None = None) -> None:
        """A file that can't be read: at the place that names it, where there is one."""
        if isinstance(error, Unreadable):
            self.report.diagnostics.append(error.diagnostic)
            return
        shown = self.shown(path)
        span = Span(shown, 1, 1, 1, 1) if place is None else place.span
        self.report.error("file-missing", f"can't read {shown}: {error.strerror}", span, hint=near(path))


@dataclass(frozen=True, slots=True)
class Layer:
    """One set of files that belongs together: the project's own, those of one include, one extended file.

    `directory` is where its relative paths start, `base` is what its own files are looked up in, `named` is where
    another file names them.
    """

    directory: str
    base: str
    variables: Variables
    included: Sequence[str] = ()
    named: Mapping[str, Node] = field(default_factory=dict)

    def find(self, path: str) -> str:
        return path if os.path.isabs(path) else os.path.normpath(os.path.join(self.base, path))

    def folder_of(self, path: str) -> str:
        """The folder of a file (or the folder itself), relative to `base`."""
        absolute = self.find(path)
        if not os.path.isdir(absolute):
            absolute = os.path.dirname(absolute)
        return os.path.relpath(absolute, self.base or ".")
