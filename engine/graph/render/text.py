"""The graph as a tree: what nothing needs at the left, what it needs beneath; a branch shown before is cut with …"""

from __future__ import annotations

from collections.abc import Iterator

from engine.graph.address import Address
from engine.graph.build import Edge, Graph


def render_tree(graph: Graph) -> str:
    """Ends without a newline."""
    needed = {edge.target for edge in graph.edges}
    needs: dict[Address, list[Edge]] = {}
    for edge in graph.edges:
        needs.setdefault(edge.source, []).append(edge)
    lines = [graph.project]
    roots = [node for node in graph.nodes if node not in needed]
    seen: set[Address] = set()
    for number, root in enumerate(roots):
        lines += branch(root, "", needs, seen, "", last=number == len(roots) - 1)
    return "\n".join(lines)


def branch(
    node: Address, because: str, needs: dict[Address, list[Edge]], seen: set[Address], indent: str, *, last: bool
) -> Iterator[str]:
    again = node in seen and node in needs
    why = f"  ({because})" if because else ""
    yield f"{indent}{'└─' if last else '├─'} {node}{why}{' …' if again else ''}"
    if again:
        return
    seen.add(node)
    children = needs.get(node, [])
    deeper = indent + ("   " if last else "│  ")
    for number, edge in enumerate(children):
        yield from branch(edge.target, edge.because, needs, seen, deeper, last=number == len(children) - 1)
