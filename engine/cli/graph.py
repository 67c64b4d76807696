"""`rorqual graph`: what needs what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import ProjectOptions, with_options
from engine.cli.project import load_project
from engine.graph.build import build_graph
from engine.graph.render.text import render_tree

FORMATS = ("text", "dot", "mermaid", "json", "svg")


@with_options(ProjectOptions)
def graph(
    project: ProjectOptions,
    format: Annotated[str, typer.Option("--format", help="text, dot, mermaid, json or svg")] = "text",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file")] = None,
) -> None:
    """Show the dependency graph of the project. Example: rorqual graph --format svg -o graph.svg"""
    if format not in FORMATS:
        raise typer.BadParameter(f'--format takes {", ".join(FORMATS)}, not "{format}"')
    loaded = load_project(project)
    assert loaded.project is not None
    found = build_graph(loaded.project)
    if format == "text":
        text = render_tree(found)
    else:
        # late: networkx takes 0.2 s to import
        from engine.graph.render.notation import render_dot, render_json, render_mermaid
        from engine.graph.render.svg import render_svg

        text = {"dot": render_dot, "mermaid": render_mermaid, "json": render_json, "svg": render_svg}[format](found)
    if output is None:
        print(text)
    else:
        output.write_text(f"{text}\n", encoding="utf-8")
