"""`rorqual explain`: where a value comes from."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from engine.api.errors import NotFound
from engine.cli.options import ProjectOptions, with_options
from engine.cli.render.diagnostics import harmless, render_text, shown
from engine.cli.request import request_of
from specs.history import History, NoSuchPath, Say, history
from specs.load import load
from specs.source import SpecInvalid

WIDEST = 200


@with_options(ProjectOptions)
def explain(
    project: ProjectOptions,
    path: Annotated[str, typer.Argument(help="Such as services.web.environment.MODE")],
    format: Annotated[str, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Show a final value and every place that had a say in it, in order; the last one won.

    Example: rorqual explain services.web.environment.MODE
    """
    if format not in {"text", "json"}:
        raise typer.BadParameter(f"--format takes text or json, not {format!r}")
    loaded = load(request_of(project))
    if loaded.report.failed:
        raise SpecInvalid(loaded.report)
    if len(loaded.report):
        typer.echo(render_text(loaded.report), err=True)
    try:
        found = history(loaded, path)
    except NoSuchPath as error:
        raise NotFound(no_such_path(error)) from None
    print(as_json(found) if format == "json" else as_text(found))


def no_such_path(error: NoSuchPath) -> str:
    close = get_close_matches(error.step, error.known, 1)
    hint = f'; did you mean "{close[0]}"?' if close else ""
    if not hint and 0 < len(error.known) <= 40:
        hint = f"; it has {', '.join(error.known)}"
    return f"{error}{hint}"


def as_text(found: History) -> str:
    lines = [f"{'.'.join(found.path)}: {brief(found.value)}"]
    lines += [f"  {line_of(say)}" for say in found.says]
    if not found.says:
        lines.append("  (no file says so: it follows from Compose's rules)")
    return "\n".join(lines)


def line_of(say: Say) -> str:
    file, colon, rest = say.place.partition(":")
    note = f" ({say.note})" if say.note else ""
    return harmless(f"{shown(file)}{colon}{rest}: {brief(say.value)}{note}")


def brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return harmless(text if len(text) <= WIDEST else text[:WIDEST] + "…")


def as_json(found: History) -> str:
    says = [{"place": say.place, "value": say.value, "note": say.note or None} for say in found.says]
    return json.dumps({"path": ".".join(found.path), "value": found.value, "places": says}, indent=2)
