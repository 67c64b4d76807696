"""Drift as a terminal, a program and a pull request read it: last applied → live → desired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.plan.drift import UNKNOWN, Drift
from engine.plan.render.markdown import one_line
from engine.plan.render.value import HIDDEN, UNSET, shown

HEAD = "last applied → live → desired"


def render_text(project: str, found: Sequence[Drift]) -> str:
    """One line a difference, ending without a newline."""
    if not found:
        return f'No drift: project "{project}" is as its spec says.'
    width = max(len(str(d.address)) for d in found)
    lines = [f"{d.address!s:<{width}}  {line(d)}" for d in found]
    return "\n".join([f"{'':<{width}}  {HEAD}", *lines, "", count(found)])


def line(drift: Drift) -> str:
    if not drift.path:
        return drift.because
    return f"{drift.path}: {' → '.join(values(drift))}  ({drift.because})"


def values(drift: Drift) -> list[str]:
    return [word(value, drift) for value in (drift.applied, drift.live, drift.desired)]


def word(value: Any, drift: Drift) -> str:
    if value == UNKNOWN:
        return UNKNOWN
    if value is None:
        return UNSET
    return HIDDEN if drift.sensitive else shown(value, drift.path)


def count(found: Sequence[Drift]) -> str:
    objects = len({d.address for d in found})
    return f"Drift: {len(found)} difference{'s' * (len(found) != 1)} on {objects} object{'s' * (objects != 1)}."


def render_markdown(project: str, found: Sequence[Drift]) -> str:
    title = f"### Drift of `{project}`"
    if not found:
        return f"{title}\n\nNo drift: the host is as the spec says."
    rows = ["| object | field | last applied | live | desired | why |", "|---|---|---|---|---|---|"]
    for drift in found:
        shown_values = values(drift) if drift.path else ["", "", ""]
        cells = [str(drift.address), drift.path or "the whole", *shown_values, drift.because]
        rows.append(f"| {' | '.join(map(cell, cells))} |")
    return "\n".join([title, "", count(found), "", *rows])


def cell(text: str) -> str:
    return one_line(text).replace("\\", "\\\\").replace("|", "\\|").replace("`", "'")


def drift_document(project: str, found: Sequence[Drift]) -> dict[str, Any]:
    """`{"project", "drift": [{"address", "path", "applied", "applied_known", "live", "desired", "because",
    "sensitive"}]}`; `path` is null for a whole object.
    """

    def value(plain: Any, drift: Drift) -> Any:
        if plain is None or plain == UNKNOWN:
            return None
        return HIDDEN if drift.sensitive else plain

    return {
        "project": project,
        "drift": [
            {
                "address": str(d.address),
                "path": d.path or None,
                "applied": value(d.applied, d),
                "applied_known": d.applied != UNKNOWN,
                "live": value(d.live, d),
                "desired": value(d.desired, d),
                "because": d.because,
                "sensitive": d.sensitive,
            }
            for d in found
        ],
    }
