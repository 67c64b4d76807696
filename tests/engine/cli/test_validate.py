"""`rorqual validate`, `explain` and `schema` as commands: exit codes, formats, streams."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic_sarif.model import (  # type: ignore[import-untyped]
    StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog,
)

from engine.cli.main import run

GOOD = "services: {a: {image: x}}\n"
BAD = "services: {a: {image: x, depends_on: [b]}}\n"
WARNS = "services: {a: {image: x, scale: 2, ports: ['80:80']}}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {"compose.yaml": GOOD, "bad.yaml": BAD, "warns.yaml": WARNS, "latin.yaml": "a: \udce9"}.items():
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 0),
        (("-f", "bad.yaml"), 1),
        (("bad.yaml",), 1),
        (("compose.yaml", "warns.yaml"), 0),
        (("compose.yaml", "bad.yaml"), 1),
        (("-f", "warns.yaml"), 0),
        (("-f", "warns.yaml", "--fail-on", "warning"), 1),
        (("-f", "latin.yaml"), 1),
        (("-f", "missing.yaml"), 2),
        (("-f", "."), 2),
        (("missing.yaml", "bad.yaml"), 2),
        (("--format", "xml"), 64),
        (("--fail-on", "never"), 64),
        (("--runtime", "lxc"), 64),
        (("-f", "compose.yaml", "bad.yaml"), 64),
    ],
)
def test_the_exit_code_tells_clean_findings_and_unreadable_apart(words: tuple[str, ...], code: int) -> None:
    assert run(["validate", *words]) == code


def test_a_clean_project_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate"]) == 0
    assert capsys.readouterr().out == ""


def test_quiet_prints_nothing_and_still_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "-q", "-f", "bad.yaml"]) == 1
    assert capsys.readouterr() == ("", "")


def test_text_is_as_the_manual_shows(capsys: pytest.CaptureFixture[str]) -> None:
    run(["-f", "bad.yaml", "validate"])
    first, line, carets, *_ = capsys.readouterr().out.splitlines()
    assert first == 'bad.yaml:1:39: error[unknown-service]: service "a" depends on "b", which is not defined'
    assert line.endswith(BAD.strip())
    assert carets.index("^") == line.index("[b]") + 1


def test_json_and_sarif_are_printed_even_when_clean(capsys: pytest.CaptureFixture[str]) -> None:
    run(["validate", "--format", "json"])
    assert json.loads(capsys.readouterr().out) == {"diagnostics": []}
    run(["validate", "--format", "sarif"])
    SarifLog.model_validate(json.loads(capsys.readouterr().out))


def test_sarif_of_real_findings_validates(capsys: pytest.CaptureFixture[str]) -> None:
    run(["validate", "--format", "sarif", "-f", "bad.yaml"])
    log = json.loads(capsys.readouterr().out)
    SarifLog.model_validate(log)
    assert log["runs"][0]["results"][0]["ruleId"] == "unknown-service"


def test_strict_env_makes_an_unset_variable_an_error(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "compose.yaml").write_text("services: {a: {image: 'x:$NOT_SET_ANYWHERE'}}\n")
    assert run(["validate"]) == 0
    assert run(["validate", "--strict-env"]) == 1
    assert "NOT_SET_ANYWHERE" in capsys.readouterr().out
    (here / "compose.yaml").write_text("services: {a: {image: 'x:${NOT_SET_ANYWHERE:-1}'}}\n")
    assert run(["validate", "--strict-env"]) == 0


def test_strict_makes_what_the_runtime_ignores_an_error(here: Path) -> None:
    (here / "compose.yaml").write_text("services: {a: {image: x, links: [b]}, b: {image: y}}\n")
    assert run(["validate", "--strict"]) == 0
    assert run(["validate", "--runtime", "podman", "--fail-on", "warning"]) == 1
    assert run(["validate", "--runtime", "podman", "--strict"]) == 1


def test_explain_prints_the_value_and_its_places(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "services.a.image"]) == 0
    assert capsys.readouterr().out == "services.a.image: x\n  compose.yaml:1:23: x\n"


def test_explain_of_nothing_says_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "services.a.imag"]) == 1
    assert 'did you mean "image"?' in capsys.readouterr().err


def test_schema_prints_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["services"]
