"""What a fault took out of the tree, so that the rest can be looked at and nothing complains of what isn't there.

A load goes on after an error: the faulty nodes leave the tree, their paths stay here. A later rule that misses
something asks first whether it was taken; then the fault has been told already.
"""

from __future__ import annotations

from collections.abc import Collection

from specs.node import Node

Path = tuple[str, ...]


class Losses:
    """Paths that are gone, and sections of which not all names are known (an include that could not be read)."""

    __slots__ = ("above", "open", "paths", "variables")

    def __init__(self) -> None:
        self.paths: set[Path] = set()
        self.above: set[Path] = set()
        self.open: set[str] = set()
        # an env file could not be read: what looks unset may be set there
        self.variables = False

    def add(self, *path: str) -> None:
        self.paths.add(path)
        self.above.update(path[:length] for length in range(len(path)))

    def touch(self, *path: str) -> bool:
        """Whether the path, something above it or something below it is gone."""
        if not self.paths:
            return False
        return path in self.above or any(path[:length] in self.paths for length in range(len(path) + 1))

    def cut(self, *path: str) -> bool:
        """Whether the path itself or something below it is gone."""
        return path in self.above or path in self.paths

    def hide(self, kind: str, name: str) -> bool:
        """Whether a name that is not defined may have been: its section is not all there."""
        return kind in self.open or self.touch(kind, name)

    def inherit(self, heir: str, source: str) -> None:
        """What the service `source` lost is missing in the one that extends it, too."""
        start = ("services", source)
        for path in [path for path in self.paths if path[:2] == start]:
            self.add("services", heir, *path[2:])

    def prune(self, root: Node, faulty: Collection[int], incomplete: Collection[int] = ()) -> None:
        """Take the nodes with these ids out of the tree; those that are `incomplete` stay, with their paths noted.

        An entry of a list goes as a whole when a part of it does: without that part it would mean something else.
        """
        self._prune(root, faulty, incomplete, ())

    def _prune(self, node: Node, faulty: Collection[int], incomplete: Collection[int], path: Path) -> bool:
        """Whether anything was taken out."""
        if id(node) in incomplete:
            self.add(*path)
        value = node.value
        in_list = type(value) is list
        if type(value) is dict:
            children = list(value.items())
        elif in_list:
            children = [(str(index), child) for index, child in enumerate(value)]
        else:
            return False
        kept: list[tuple[str, Node]] = []
        taken = False
        for name, child in children:
            if id(child) in faulty:
                self.add(*path, name)
                taken = True
                continue
            below = self._prune(child, faulty, incomplete, (*path, name))
            taken |= below
            if not (below and in_list):
                kept.append((name, child))
        if len(kept) < len(children):
            node.value = [child for _, child in kept] if in_list else dict(kept)
        return taken
