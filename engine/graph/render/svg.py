"""The graph as one SVG picture: a column a wave, what is needed at the left, light and dark by the viewer's scheme."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from engine.graph.address import Address, Kind
from engine.graph.build import Graph
from engine.graph.order import essential_edges, waves

GAP_X, GAP_Y, HEIGHT, MARGIN, CHARACTER = 80, 16, 34, 24, 7.4
HUES = {
    Kind.IMAGE: "#8b5cf6",
    Kind.NETWORK: "#0ea5e9",
    Kind.VOLUME: "#f59e0b",
    Kind.CONFIG: "#64748b",
    Kind.SECRET: "#ef4444",
    Kind.SERVICE: "#10b981",
}
STYLE = """<style>
  svg { background: #ffffff; } text { font: 12px ui-monospace, monospace; fill: #1e293b; }
  path { fill: none; stroke: #94a3b8; stroke-width: 1.4; }
  @media (prefers-color-scheme: dark) { svg { background: #0f172a; } text { fill: #e2e8f0; } }
</style>"""
Box = tuple[float, float, float]


def render_svg(graph: Graph) -> str:
    """A whole SVG document."""
    columns = waves(graph)
    boxes = dict(placed(columns))
    width = max((x + w for x, _, w in boxes.values()), default=0) + MARGIN
    height = max((y + HEIGHT for _, y, _ in boxes.values()), default=0) + MARGIN
    pairs = essential_edges(graph)
    arrows = [curve(boxes[target], boxes[source]) for source, target in sorted(pairs)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(graph.project)}">',
            STYLE,
            *arrows,
            *(shape(node, box) for node, box in boxes.items()),
            "</svg>",
        ]
    )


def placed(columns: list[list[Address]]) -> Iterator[tuple[Address, Box]]:
    x = float(MARGIN)
    tallest = max((len(column) for column in columns), default=0)
    for column in columns:
        width = max(len(str(node)) for node in column) * CHARACTER + 28
        y = MARGIN + (tallest - len(column)) * (HEIGHT + GAP_Y) / 2
        for node in column:
            yield node, (x, y, width)
            y += HEIGHT + GAP_Y
        x += width + GAP_X


def curve(start: Box, end: Box) -> str:
    x1, y1, x2, y2 = start[0] + start[2], start[1] + HEIGHT / 2, end[0], end[1] + HEIGHT / 2
    bend = max(30.0, (x2 - x1) / 2)
    return f'<path d="M{x1:.0f},{y1:.0f} C{x1 + bend:.0f},{y1:.0f} {x2 - bend:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"/>'


def shape(node: Address, box: Box) -> str:
    x, y, width = box
    hue = HUES[node.kind]
    return (
        f"<g><title>{escape(str(node))}</title>"
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{HEIGHT}" rx="7" '
        f'fill="{hue}" fill-opacity="0.14" stroke="{hue}"/>'
        f'<text x="{x + 14:.0f}" y="{y + HEIGHT / 2 + 4:.0f}">{escape(str(node))}</text></g>'
    )
