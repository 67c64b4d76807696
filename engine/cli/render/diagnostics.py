"""Diagnostics as people and machines read them: text with the source beside it, json, sarif 2.1.0, github annotations.

Pure but for the text renderer, which reads the files that spans name. Called by validate, config, and main's last word.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import islice
from typing import Any

from specs.source import Diagnostic, Related, Severity, Span

WIDEST = 160  # columns of source shown around a fault; a one-line JSON file may be a megabyte wide
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def shown(file: str) -> str:
    """A file's name for people: relative where it lies below the working directory, as it is elsewhere."""
    if file.startswith("<") or file == "-":
        return file
    path, here = os.path.abspath(file), os.getcwd()
    return os.path.relpath(path, here) if path.startswith(here.rstrip("/") + "/") else path


def harmless(text: str) -> str:
    """The text without control characters: what a file says must not steer a terminal."""
    return "".join(c if c in "\t\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} else "\ufffd" for c in text)


def width(text: str) -> int:
    """Columns on a terminal: wide characters take two, marks that combine take none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def place(span: Span) -> str:
    return f"{harmless(shown(span.file))}:{span.line}:{span.column}"


# Text


def render_text(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str] | None = None) -> str:
    """Every complaint with its line of source and carets, hints and related places; `sources` holds unsaved text."""
    line_of = source_reader(sources or {})
    return "\n".join(text_of(diagnostic, line_of) for diagnostic in diagnostics)


def text_of(diagnostic: Diagnostic, line_of: Callable[[str, int], str | None]) -> str:
    where = f"{place(diagnostic.span)}: " if diagnostic.span else ""
    lines = [f"{where}{diagnostic.severity}[{diagnostic.code}]: {harmless(diagnostic.message)}"]
    if diagnostic.span:
        lines += excerpt(diagnostic.span, line_of(diagnostic.span.file, diagnostic.span.line))
    for related in diagnostic.related:
        lines.append(f"  {place(related.span)}: {harmless(related.message)}")
    if diagnostic.hint:
        lines.append(f"  hint: {harmless(diagnostic.hint)}")
    return "\n".join(lines)


def excerpt(span: Span, line: str | None) -> list[str]:
    """The line at fault and carets below the fault; nothing where the file can't be read any more."""
    if line is None:
        return []
    start = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    end = max(start, min(end, len(line)))
    cut = max(0, start - WIDEST // 2) if len(line) > WIDEST else 0
    before, fault = harmless(line[cut:start]), harmless(line[start : min(end, cut + WIDEST)])
    shown_line = harmless(line[cut : cut + WIDEST])
    left, right = "…" if cut else "", "…" if cut + WIDEST < len(line) else ""
    pad = "".join("\t" if c == "\t" else " " * width(c) for c in left + before)
    carets = "^" * max(1, width(fault.replace("\t", " ")))
    return [f"{span.line:>5} | {left}{shown_line}{right}", f"      | {pad}{carets}"]


def source_reader(sources: Mapping[str, str]) -> Callable[[str, int], str | None]:
    @cache
    def line_of(file: str, number: int) -> str | None:
        if file in sources:
            lines: Iterable[str] = sources[file].splitlines()
        else:
            lines = lines_before(file, number)
        return next(islice(lines, number - 1, None), None)

    return line_of


def lines_before(file: str, number: int) -> list[str]:
    """The first lines of a file, without their ends; none where it can't be read, or not again (a pipe)."""
    if not os.path.isfile(file):
        return []
    try:
        with open(file, encoding="utf-8-sig", errors="replace") as stream:
            return [line.rstrip("\n") for line in islice(stream, number)]
    except (OSError, ValueError):
        return []


# JSON


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    return to_json({"diagnostics": [json_of(d) for d in diagnostics]})


def to_json(value: Any) -> str:
    return printable(json.dumps(value, indent=2, ensure_ascii=False))


def printable(text: str) -> str:
    """The text with the bytes that a file name smuggled in replaced: it goes to a stream of UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def json_of(diagnostic: Diagnostic) -> dict[str, Any]:
    span = diagnostic.span
    return {
        "severity": LEVELS[diagnostic.severity],
        "code": diagnostic.code,
        "message": diagnostic.message,
        "file": shown(span.file) if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
        "hint": diagnostic.hint,
        "related": [related_json(related) for related in diagnostic.related],
    }


def related_json(related: Related) -> dict[str, Any]:
    span = related.span
    return {"message": related.message, "file": shown(span.file), "line": span.line, "column": span.column}


# GitHub workflow commands


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    return printable("\n".join(github_of(diagnostic) for diagnostic in diagnostics))


def github_of(diagnostic: Diagnostic) -> str:
    """One annotation. GitHub takes columns only where the place lies on one line; `endColumn` is the last one."""
    command = "notice" if diagnostic.severity is Severity.NOTE else LEVELS[diagnostic.severity]
    span, properties = diagnostic.span, {}
    if span:
        properties = {"file": shown(span.file), "line": span.line, "endLine": max(span.line, span.end_line)}
        if span.end_line == span.line:
            properties |= {"col": span.column, "endColumn": max(span.column, span.end_column - 1)}
    told = ",".join(f"{key}={escaped_property(str(v))}" for key, v in {**properties, "title": diagnostic.code}.items())
    message = diagnostic.message if diagnostic.hint is None else f"{diagnostic.message}\nhint: {diagnostic.hint}"
    return f"::{command} {told}::{escaped(message)}"


def escaped(text: str) -> str:
    """Source: GitHub's toolkit, command.ts, escapeData."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(text: str) -> str:
    """Source: GitHub's toolkit, command.ts, escapeProperty."""
    return escaped(text).replace(":", "%3A").replace(",", "%2C")


def render_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    # late: only this format needs it
    from engine.cli.render.sarif import sarif_log

    return to_json(sarif_log(list(diagnostics)))


RENDERERS: dict[str, Callable[[Iterable[Diagnostic]], str]] = {
    "text": render_text,
    "json": render_json,
    "sarif": render_sarif,
    "github": render_github,
}
