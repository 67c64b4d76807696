"""A plan as JSON, the shape of CLI.md: stable for programs, numbered by `format_version`."""

from __future__ import annotations

from typing import Any

from engine.plan.render.value import HIDDEN
from engine.plan.steps import FieldChange, Plan, Step
from specs.source import Diagnostic

FORMAT_VERSION = 1


def plan_document(plan: Plan) -> dict[str, Any]:
    """`{"format_version", "project", "engine", "steps", "summary", "warnings"}`, ready for json.dumps."""
    return {
        "format_version": FORMAT_VERSION,
        "project": plan.project,
        "engine": {"id": plan.engine.id, "host": plan.engine.host, "api_version": plan.engine.api_version},
        "steps": [step_document(step) for step in plan.steps],
        "summary": plan.summary,
        "warnings": [diagnostic_document(warning) for warning in plan.warnings],
    }


def step_document(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "address": str(step.address),
        "action": step.word,
        "because": step.because,
        "fields": [field_document(change) for change in step.fields],
        "needs": sorted(step.needs),
    }


def field_document(change: FieldChange) -> dict[str, Any]:
    def value(plain: Any) -> Any:
        return HIDDEN if change.sensitive and plain is not None else plain

    return {"path": change.path, "old": value(change.old), "new": value(change.new), "sensitive": change.sensitive}


def diagnostic_document(diagnostic: Diagnostic) -> dict[str, Any]:
    """One complaint as LANGUAGE.md shapes it."""
    span = diagnostic.span
    return {
        "severity": str(diagnostic.severity),
        "code": diagnostic.code,
        "message": diagnostic.message,
        "file": span.file if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
        "hint": diagnostic.hint,
        "related": [
            {"message": r.message, "file": r.span.file, "line": r.span.line, "column": r.span.column}
            for r in diagnostic.related
        ],
    }
