"""Diagnostics as text, json, sarif and github annotations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog  # type: ignore[import-untyped]

from engine.cli.render.diagnostics import RENDERERS, render_github, render_json, render_sarif, render_text
from specs.source import Diagnostic, Related, Severity, Span

TEXT = "services:\n  web:\n    image: x\n    depends_on: [bd]\n  db: {image: y}\n"
UNKNOWN = Diagnostic(
    Severity.ERROR,
    "unknown-service",
    'service "web" depends on "bd", which is not defined',
    Span("compose.yaml", 4, 18, 4, 20),
    'did you mean "db"?',
    (Related("defined here", Span("compose.yaml", 5, 3, 5, 5)),),
)
HOMELESS = Diagnostic(Severity.WARNING, "unset-variable", 'the variable "A" is not set')


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_text(TEXT)
    return tmp_path


def at(line: int, column: int, end_line: int, end_column: int, file: str = "compose.yaml") -> Diagnostic:
    return Diagnostic(Severity.ERROR, "code", "message", Span(file, line, column, end_line, end_column))


def test_text_shows_the_line_the_carets_the_related_place_and_the_hint() -> None:
    assert render_text([UNKNOWN]).splitlines() == [
        'compose.yaml:4:18: error[unknown-service]: service "web" depends on "bd", which is not defined',
        "    4 |     depends_on: [bd]",
        "      |                  ^^",
        "  compose.yaml:5:3: defined here",
        '  hint: did you mean "db"?',
    ]


def test_a_complaint_without_a_place_has_no_excerpt() -> None:
    assert render_text([HOMELESS]) == 'warning[unset-variable]: the variable "A" is not set'


def test_a_fault_of_many_lines_is_underlined_to_the_end_of_its_first() -> None:
    assert render_text([at(1, 1, 5, 3)]).splitlines()[2] == "      | ^^^^^^^^^"


def test_carets_stand_under_wide_characters_and_after_tabs(here: Path) -> None:
    (here / "wide.yaml").write_text("a: 日本x\n\tb: c\n")
    assert render_text([at(1, 6, 1, 7, "wide.yaml")]).splitlines()[2] == "      |        ^"
    assert render_text([at(2, 5, 2, 6, "wide.yaml")]).splitlines()[2] == "      | \t   ^"


def test_a_very_long_line_is_cut_around_the_fault(here: Path) -> None:
    (here / "long.json").write_text("x" * 50_000 + "FAULT" + "y" * 50_000)
    lines = render_text([at(1, 50_001, 1, 50_006, "long.json")]).splitlines()
    assert max(map(len, lines)) < 200
    column = lines[2].index("^")
    assert lines[1][column : column + 5] == "FAULT"
    assert lines[2].strip(" |") == "^^^^^"


def test_a_file_that_is_gone_costs_only_the_excerpt() -> None:
    assert render_text([at(1, 1, 1, 2, "gone.yaml")]) == "gone.yaml:1:1: error[code]: message"


def test_control_characters_of_a_file_do_not_reach_the_terminal(here: Path) -> None:
    (here / "evil.yaml").write_text("a: \x1b[31mred\n")
    told = render_text([Diagnostic(Severity.ERROR, "c", "bad \x1b]0;x\x07", Span("evil.yaml", 1, 4, 1, 9))])
    assert "\x1b" not in told and "\x07" not in told


def test_json_has_every_key_and_null_for_what_is_missing() -> None:
    first, second = json.loads(render_json([UNKNOWN, HOMELESS]))["diagnostics"]
    assert first == {
        "severity": "error",
        "code": "unknown-service",
        "message": 'service "web" depends on "bd", which is not defined',
        "file": "compose.yaml",
        "line": 4,
        "column": 18,
        "end_line": 4,
        "end_column": 20,
        "hint": 'did you mean "db"?',
        "related": [{"message": "defined here", "file": "compose.yaml", "line": 5, "column": 3}],
    }
    assert (second["severity"], second["file"], second["end_line"], second["hint"]) == ("warning", None, None, None)


def test_files_are_relative_below_the_working_directory_and_absolute_elsewhere(here: Path) -> None:
    inside, outside = str(here / "sub" / "a.yaml"), "/elsewhere/b.yaml"
    told = json.loads(render_json([at(1, 1, 1, 2, inside), at(1, 1, 1, 2, outside)]))["diagnostics"]
    assert [d["file"] for d in told] == ["sub/a.yaml", outside]


def test_sarif_validates_against_its_schema() -> None:
    odd = at(1, 1, 3, 1, "sub dir/ü%.yaml")
    log = json.loads(render_sarif([UNKNOWN, HOMELESS, odd, UNKNOWN]))
    SarifLog.model_validate(log)
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["code", "unknown-service", "unset-variable"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 4, "startColumn": 18, "endLine": 4, "endColumn": 20}
    assert place["artifactLocation"] == {"uri": "compose.yaml", "uriBaseId": "SRCROOT"}
    assert (
        run["results"][2]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sub%20dir/%C3%BC%25.yaml"
    )


def test_an_empty_sarif_log_validates_too() -> None:
    log = json.loads(render_sarif([]))
    SarifLog.model_validate(log)
    assert log["runs"][0]["results"] == []


def test_github_annotations_escape_what_would_end_a_property_or_a_line() -> None:
    tricky = Diagnostic(Severity.NOTE, "c", "50%\r\nnext: a,b", Span("a,b:c%.yaml", 2, 3, 2, 5))
    assert render_github([tricky]) == (
        "::notice file=a%2Cb%3Ac%25.yaml,line=2,endLine=2,col=3,endColumn=4,title=c::50%25%0D%0Anext: a,b"
    )


def test_github_gives_no_columns_to_a_fault_of_many_lines() -> None:
    assert render_github([at(1, 5, 3, 2)]) == "::error file=compose.yaml,line=1,endLine=3,title=code::message"


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_undecodable_names_print(name: str) -> None:
    told = RENDERERS[name]([at(1, 1, 1, 2, "bad\udcff.yaml")])
    assert told.encode("utf-8")
