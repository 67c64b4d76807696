"""`!reset` and `!override`: where a file says that what came before it is to go."""

from __future__ import annotations

from specs.node import Node

Path = tuple[str, ...]


def take_resets(root: Node) -> list[Path]:
    """Remove every `!reset` node; return the paths of those and of `!override` nodes."""
    found: list[Path] = []
    collect(root, (), found, set())
    return found


def collect(node: Node, path: Path, found: list[Path], seen: set[int]) -> None:
    """`seen`: where a !reset was met. Below an anchor it counts at its first place only: aliases no longer hold it."""
    if type(node.value) is dict:
        for name, child in list(node.value.items()):
            if child.tag is not None and id(child.start) not in seen:
                found.append((*path, name))
            if child.tag == "!reset":
                seen.add(id(child.start))
                del node.value[name]
            elif child.tag is None:
                collect(child, (*path, name), found, seen)
    elif type(node.value) is list:
        kept = []
        for index, child in enumerate(node.value):
            if child.tag == "!reset":
                continue
            kept.append(child)
            collect(child, (*path, str(index)), found, seen)
        node.value = kept


def apply_resets(paths: list[Path], root: Node) -> None:
    """Remove what stands at the paths."""
    for path in paths:
        parent = root.get(*path[:-1])
        if parent is not None and type(parent.value) is dict:
            parent.value.pop(path[-1], None)
