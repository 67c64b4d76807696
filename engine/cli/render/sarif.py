"""Diagnostics as a SARIF 2.1.0 log, for code-scanning services. Source: OASIS SARIF v2.1.0."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from engine.cli.render.diagnostics import LEVELS, shown
from specs.source import Diagnostic, Related, Span

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
BASE = "SRCROOT"


def sarif_log(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """One log of one run; columns are code points and ends are exclusive, as our spans have them."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    driver = {
        "name": "rorqual",
        "version": version("rorqual"),
        "rules": [{"id": code, "name": title(code), "shortDescription": {"text": sentence(code)}} for code in codes],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {BASE: {"uri": f"file://{quote(os.getcwd().rstrip('/'))}/"}},
        "results": [result_of(diagnostic, codes) for diagnostic in diagnostics],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def title(code: str) -> str:
    return "".join(part.capitalize() for part in code.split("-"))


def sentence(code: str) -> str:
    return code.replace("-", " ").capitalize() + "."


def result_of(diagnostic: Diagnostic, codes: Sequence[str]) -> dict[str, Any]:
    text = diagnostic.message if diagnostic.hint is None else f"{diagnostic.message}. Hint: {diagnostic.hint}"
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": codes.index(diagnostic.code),
        "level": LEVELS[diagnostic.severity],
        "message": {"text": text},
        "locations": [{"physicalLocation": location_of(diagnostic.span)}] if diagnostic.span else [],
    }
    if diagnostic.related:
        result["relatedLocations"] = [related_of(r, number) for number, r in enumerate(diagnostic.related, 1)]
    return result


def related_of(related: Related, number: int) -> dict[str, Any]:
    return {"id": number, "message": {"text": related.message}, "physicalLocation": location_of(related.span)}


def location_of(span: Span) -> dict[str, Any]:
    region: dict[str, int] = {"startLine": span.line, "startColumn": span.column}
    if (span.end_line, span.end_column) >= (span.line, span.column):
        region |= {"endLine": span.end_line, "endColumn": span.end_column}
    return {"artifactLocation": artifact_of(shown(span.file)), "region": region}


def artifact_of(file: str) -> dict[str, str]:
    """Files below the working directory are relative to it, so that a log made elsewhere still points home."""
    if os.path.isabs(file):
        return {"uri": f"file://{quote(file, errors='surrogateescape')}"}
    return {"uri": quote(file, errors="surrogateescape"), "uriBaseId": BASE}
