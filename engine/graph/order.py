"""The graph as networkx sees it: waves, order, cycles. Imported only by commands that show or check a graph."""

from __future__ import annotations

import networkx as nx

from engine.graph.address import Address
from engine.graph.build import Graph


def as_digraph(graph: Graph) -> nx.DiGraph[Address]:
    """An arrow from each node to what needs it, so that generations are waves."""
    found: nx.DiGraph[Address] = nx.DiGraph()
    found.add_nodes_from(graph.nodes)
    found.add_edges_from((edge.target, edge.source) for edge in graph.edges)
    return found


def waves(graph: Graph) -> list[list[Address]]:
    """Nodes by the earliest moment at which they can start: the first wave needs nothing.

    The graph must have no cycle: specs.check refuses those.
    """
    place = {node: number for number, node in enumerate(graph.nodes)}
    return [sorted(wave, key=place.__getitem__) for wave in nx.topological_generations(as_digraph(graph))]


def essential_edges(graph: Graph) -> set[tuple[Address, Address]]:
    """(source, target) pairs without those that follow from others: what a drawing needs."""
    reduced = nx.transitive_reduction(as_digraph(graph))
    return {(source, target) for target, source in reduced.edges}
