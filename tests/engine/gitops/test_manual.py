"""What the manual says of the agent: its settings are all there, and those that it shows are good; so is the unit."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import pytest

from engine.cli.main import COMMANDS
from engine.gitops.api.routes import ROUTES
from engine.gitops.settings import shape
from engine.gitops.settings.check import FILLED
from engine.gitops.settings.read import read_settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/agent.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(
    "text", [*EXAMPLES, (ROOT / "examples/gitops/agent.yaml").read_text()], ids=range(len(EXAMPLES) + 1)
)
def test_settings_that_the_manual_shows_are_good(text: str, tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(text)
    _, report = read_settings(tmp_path / "agent.yaml")
    assert {each.code for each in report} <= {"file-missing"}, "files of secrets aren't here"


def test_every_setting_is_in_the_manual() -> None:
    keys = {*shape.SOURCE.schema["properties"], *shape.POLICY, *shape.SETTINGS.schema["properties"]}
    assert [key for key in sorted(keys - {"parallel"}) if not re.search(rf"\b{key}\b", PAGE)] == []


def test_every_event_placeholder_and_route_is_in_the_manual() -> None:
    events = shape.EVENTS.schema["enum"]
    assert [each for each in events if f"`{each}`" not in PAGE] == []
    assert [each for each in FILLED if f"`${each}`" not in PAGE] == []
    assert [each.pattern for each in ROUTES if each.pattern.rpartition("/")[2].strip("{}") not in PAGE.lower()] == []


def test_the_unit_runs_commands_that_there_are() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string((ROOT / "systemd/rorqual-agent.service").read_text())
    for key in ("ExecStartPre", "ExecStart"):
        env, rorqual, command, *_ = shlex.split(unit["Service"][key])
        assert (env, rorqual) == ("/usr/bin/env", "rorqual") and command in COMMANDS
    assert unit["Service"]["KillMode"] == "mixed", "git and hooks must not get the signal that ends the loop in order"
