"""Secrets and configs whose content is a variable's value: a service is given it, and nothing prints it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.config import raw_values
from engine.cli.facts import variables_json
from engine.plan.lower.mounts import lower_mounts
from specs.history import history
from specs.load import Request, load
from specs.models.make import make_project
from specs.output import json_values


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_what_a_service_is_given_from_a_variable_holds_its_value_and_is_not_printed(tmp_path: Path, kind: str) -> None:
    text = f"name: p\nservices: {{a: {{image: x, {kind}: [s]}}}}\n{kind}: {{s: {{environment: KEY}}}}\n"
    (tmp_path / "compose.yaml").write_text(text)
    loaded = load(Request(str(tmp_path), {"KEY": "hush"}))
    values = loaded.values
    assert values is not None
    project = make_project(values)
    (given,) = lower_mounts(project, project.services["a"]).files
    assert given.content == b"hush"
    assert "hush" not in str(json_values(values))
    assert all("hush" not in str(history(loaded, path)) for path in (kind, f"{kind}.s"))


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_a_project_with_its_variables_unexpanded_shows_no_value_of_one_either(tmp_path: Path, kind: str) -> None:
    text = f"services: {{a: {{image: x, {kind}: [s]}}}}\n{kind}: {{s: {{environment: KEY}}}}\n"
    (tmp_path / "compose.yaml").write_text(text)
    loaded = load(Request(str(tmp_path), {"KEY": "hush"}, project_name="p", interpolate=False, all_resources=True))
    for format in ("yaml", "json"):
        assert raw_values(loaded, format)[kind] == {"s": {"environment": "KEY", "name": "p_s"}}


def test_variables_as_json_leave_out_those_of_the_name(tmp_path: Path) -> None:
    text = "name: ${N:-n}\nservices: {a: {image: 'x:${T:-t}', command: '${C:+c}', user: '${U:?must}'}}\n"
    (tmp_path / "compose.yaml").write_text(text)
    loaded = load(Request(str(tmp_path), interpolate=False, all_resources=True, check_consistency=False))
    assert json.loads(variables_json(loaded)) == {
        "C": {"Name": "C", "DefaultValue": "", "PresenceValue": "c", "Required": False},
        "T": {"Name": "T", "DefaultValue": "t", "PresenceValue": "", "Required": False},
        "U": {"Name": "U", "DefaultValue": "", "PresenceValue": "", "Required": True},
    }
