"""What `--format` means to every command that lists: table, json, a template, or `table TEMPLATE`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.cli.render.table import render_table, terminal_width
from engine.cli.render.template import parse_template, to_json

Row = Mapping[str, Any]


def listing(
    rows: Sequence[Row],
    columns: Mapping[str, str],
    format: str,
    *,
    fields: Sequence[str] = (),
    array: bool = False,
    width: int | None = None,
) -> str:
    """The text to print, without its last newline.

    `columns` maps fields to their headers, in the table's order; `fields` are those that templates may name beside
    them. JSON is one object a line, or one `array` where Compose prints that. `width` None means that of stdout.
    """
    width = terminal_width() if width is None else width
    known = [*columns, *(field for field in fields if field not in columns)]
    if format in {"", "table"}:
        return render_table([*columns.values()], [[str(row[f]) for f in columns] for row in rows], width=width)
    if format == "json":
        objects = [{key: value for key, value in sorted(row.items()) if key in known} for row in rows]
        return to_json(objects) if array else "\n".join(map(to_json, objects))
    as_table = format == "table" or format.startswith("table ")
    template = parse_template(format.removeprefix("table ") if as_table else format, known)
    lines = [template.render(row) for row in rows]
    if not as_table:
        return "\n".join(lines)
    head = template.headers(columns).split("\t")
    cells = [[*line.split("\t"), *[""] * len(head)][: len(head)] for line in lines]
    return render_table(head, cells, width=width)


def show(text: str) -> None:
    """Print a listing; nothing at all where there is nothing."""
    if text:
        print(text)
