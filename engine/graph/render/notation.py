"""The graph in other programs' notation: Graphviz dot, Mermaid, JSON."""

from __future__ import annotations

import json
from typing import Any

from engine.graph.address import Kind
from engine.graph.build import Graph
from engine.graph.order import waves

SHAPES = {
    Kind.IMAGE: "component",
    Kind.NETWORK: "ellipse",
    Kind.VOLUME: "cylinder",
    Kind.CONFIG: "note",
    Kind.SECRET: "note",
    Kind.SERVICE: "box",
}
MERMAID = {
    Kind.IMAGE: ("[[", "]]"),
    Kind.NETWORK: ("([", "])"),
    Kind.VOLUME: ("[(", ")]"),
    Kind.CONFIG: ("[/", "/]"),
    Kind.SECRET: ("[/", "/]"),
    Kind.SERVICE: ("[", "]"),
}


def render_dot(graph: Graph) -> str:
    """Source: Graphviz's DOT language; every name quoted."""
    lines = [f"digraph {quoted(graph.project)} {{", "  rankdir=LR;"]
    lines += [f"  {quoted(str(n))} [shape={SHAPES[n.kind]}];" for n in graph.nodes]
    lines += [f"  {quoted(str(e.source))} -> {quoted(str(e.target))} [label={quoted(e.because)}];" for e in graph.edges]
    return "\n".join([*lines, "}"])


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def render_mermaid(graph: Graph) -> str:
    """Source: Mermaid's flowchart syntax; ids are numbers, since names may hold anything."""
    ids = {node: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node, name in ids.items():
        start, end = MERMAID[node.kind]
        lines.append(f'  {name}{start}"{label(str(node))}"{end}')
    lines += [f'  {ids[e.source]} -->|"{label(e.because)}"| {ids[e.target]}' for e in graph.edges]
    return "\n".join(lines)


def label(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def graph_document(graph: Graph) -> dict[str, Any]:
    """`{"project", "nodes": [{"address", "kind", "wave"}], "edges": [{"from", "to", "because"}]}`; waves from 0."""
    wave_of = {node: number for number, wave in enumerate(waves(graph)) for node in wave}
    return {
        "project": graph.project,
        "nodes": [{"address": str(n), "kind": str(n.kind), "wave": wave_of[n]} for n in graph.nodes],
        "edges": [{"from": str(e.source), "to": str(e.target), "because": e.because} for e in graph.edges],
    }


def render_json(graph: Graph) -> str:
    return json.dumps(graph_document(graph), indent=2, ensure_ascii=False)
