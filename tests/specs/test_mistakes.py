"""Every word that is said of mistakes as people make them, held as it was read in review; and the other formats.

python -m tests.specs.test_mistakes       write the answers anew into the table
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog  # type: ignore[import-untyped]

from engine.cli.options import ProjectOptions
from engine.cli.render.diagnostics import render_github, render_json, render_sarif, render_text
from engine.cli.validate import findings
from specs.source import Report, Severity

TABLE = Path(__file__).parent / "cases" / "tables" / "mistakes.txt"
BEGIN, FILE, END = ">>> ", "--- ", "<<<\n"
MARKS = {"␉": "\t", "␍": "\r", "␂": "\ufeff"}


class Mistake(NamedTuple):
    """`given` are the files as the table has them; `said` is the whole answer."""

    name: str
    given: str
    said: str

    def files(self) -> Iterator[tuple[str, str]]:
        main, *others = ("compose.yaml\n" + self.given).split(FILE)
        for part in (main, *others):
            name, _, text = part.partition("\n")
            for mark, character in MARKS.items():
                text = text.replace(mark, character)
            yield name, text


def mistakes() -> list[Mistake]:
    _, *blocks = ("\n" + TABLE.read_text(encoding="utf-8")).split("\n" + BEGIN)
    found = []
    for block in blocks:
        name, _, rest = block.partition("\n")
        given, _, said = f"{rest}\n".partition(END)
        found.append(Mistake(name, given, said.rstrip("\n")))
    return found


def report_of(mistake: Mistake) -> Report:
    """In the working directory."""
    for name, text in mistake.files():
        Path(name).write_bytes(text.encode())
    return findings(ProjectOptions(), strict_env=False, runtime="docker")


@pytest.mark.parametrize("mistake", mistakes(), ids=lambda mistake: mistake.name)
def test_a_mistake_is_told_in_these_words(mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = report_of(mistake)
    assert render_text(report) == mistake.said
    assert any(diagnostic.severity is not Severity.NOTE for diagnostic in report)
    assert len(json.loads(render_json(report))["diagnostics"]) == len(report)
    log = SarifLog.model_validate_json(render_sarif(report))
    assert len(log.runs[0].results or ()) == len(report)
    assert len(render_github(report).splitlines()) == len(report)


def rewritten() -> str:
    """The table with today's answers."""
    head, _, _ = TABLE.read_text(encoding="utf-8").partition("\n" + BEGIN)
    parts = [head]
    for mistake in mistakes():
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            parts.append(f"{BEGIN}{mistake.name}\n{mistake.given}{END}{render_text(report_of(mistake))}")
            os.chdir("/")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    TABLE.write_text(rewritten(), encoding="utf-8")
