"""What one load knows while it works: the request's switches, the report, the files in progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from specs.node import Node
from specs.read import read
from specs.resolve.interpolate import Variables
from specs.source import Report


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
    project_name: str = ""
    cache: dict[str, list[Node]] = field(default_factory=dict)
    used_files: list[str] = field(default_factory=list)

    def shown(self, path: str) -> str:
        """A file as diagnostics name it: relative where it lies below the working directory."""
        if path == "-":
            return "<stdin>"
        relative = os.path.relpath(path, self.working_directory)
        return path if relative.startswith("..") else relative

    def documents(self, path: str) -> list[Node]:
        """The documents of a file, read once. Raises Unreadable and OSError."""
        if path not in self.cache:
            self.used_files.append(path)
            if path == "-":
                text = self.stdin or b""
            else:
                with open(path, "rb") as file:
                    text = file.read()
            self.cache[path] = read(text, self.shown(path))
        return self.cache[path]


@dataclass(frozen=True, slots=True)
class Layer:
    """One set of files that belongs together: the project's own, those of one include, one extended file.

    `directory` is where its relative paths start, `base` is what its own files are looked up in.
    """

    directory: str
    base: str
    variables: Variables
    included: Sequence[str] = ()

    def find(self, path: str) -> str:
        return path if os.path.isabs(path) else os.path.normpath(os.path.join(self.base, path))

    def folder_of(self, path: str) -> str:
        """The folder of a file (or the folder itself), relative to `base`."""
        absolute = self.find(path)
        if not os.path.isdir(absolute):
            absolute = os.path.dirname(absolute)
        return os.path.relpath(absolute, self.base or ".")
