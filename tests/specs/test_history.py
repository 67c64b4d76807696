"""Explaining a value: the final one, and every place that had a say, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from specs.history import History, NoSuchPath, history
from specs.load import Request, load

FILES = {
    "compose.yaml": """\
x-base: &base
  labels: {com.example.tier: web}
services:
  base: {image: b, environment: {MODE: base}, ports: ["80:80"]}
  web:
    <<: *base
    extends: base
    command: serve
    environment:
      - MODE=${MODE:-debug}
    env_file: e.env
""",
    "compose.override.yaml": 'services: {web: {environment: {MODE: release}, image: "x:$TAG"}}\n',
    "e.env": "OTHER=1\nMODE=fromfile\nEXTRA=${OTHER}2\n",
    ".env": "\nTAG=3\n",
}


def explained(folder: Path, path: str) -> History:
    for name, text in FILES.items():
        (folder / name).write_text(text)
    loaded = load(Request(str(folder), project_name="p"))
    assert not loaded.report.failed, list(map(str, loaded.report))
    return history(loaded, path)


def places(found: History, folder: Path) -> list[tuple[str, object]]:
    return [(say.place.removeprefix(f"{folder}/"), say.value) for say in found.says]


def test_env_file_extends_variables_and_overrides_are_told_in_order(tmp_path: Path) -> None:
    found = explained(tmp_path, "services.web.environment.MODE")
    assert found.value == "release"
    assert places(found, tmp_path) == [
        ("e.env:2", "fromfile"),
        ("compose.yaml:4:40", "base"),
        ("compose.yaml:10:9", "debug"),
        ("compose.override.yaml:1:38", "release"),
    ]
    assert "${MODE}, not set" in found.says[2].note


def test_a_variable_names_where_it_was_set(tmp_path: Path) -> None:
    found = explained(tmp_path, "services.web.image")
    assert found.value == "x:3"
    assert found.says[-1].note == "from ${TAG}, set in .env:2"


def test_a_value_from_an_env_file_alone_is_found(tmp_path: Path) -> None:
    found = explained(tmp_path, "services.web.environment.EXTRA")
    assert (found.value, places(found, tmp_path)) == ("12", [("e.env:3", "12")])


def test_keys_with_dots_are_found(tmp_path: Path) -> None:
    found = explained(tmp_path, "services.web.labels.com.example.tier")
    assert (found.path[-1], found.value) == ("com.example.tier", "web")
    assert places(found, tmp_path) == [("compose.yaml:2:30", "web")]


def test_a_short_form_is_explained_by_its_long_keys(tmp_path: Path) -> None:
    found = explained(tmp_path, "services.web.ports.0.published")
    assert (found.value, found.says[0].place) == ("80", "compose.yaml:4:55")


def test_a_null_value_is_a_value(tmp_path: Path) -> None:
    assert explained(tmp_path, "services.base.command").value is None


@pytest.mark.parametrize("path", ["nope", "services.web.imag", "services.web.image.more", "services.web.ports.7", ""])
def test_a_path_to_nothing_says_how_far_it_got(path: str, tmp_path: Path) -> None:
    with pytest.raises(NoSuchPath) as raised:
        explained(tmp_path, path)
    assert path.startswith(raised.value.until)


PASSED = {
    "compose.yaml": "services: {a: {image: x, environment: [A, B, C], env_file: e.env},\n"
    "  b: {image: y, environment: {A: }}}\n",
    "e.env": "D\nE=${B}!\n",
    ".env": "\nB=2\n",
}


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("a.environment.A", "1", [(None, "named without a value"), ("1", "from ${A}, set in environment")]),
        ("b.environment.A", "1", [(None, "named without a value"), ("1", "from ${A}, set in environment")]),
        ("a.environment.B", "2", [(None, "named without a value"), ("2", "from ${B}, set in .env:2")]),
        ("a.environment.C", None, [(None, "named without a value; none is set outside, so it is left out")]),
        ("a.environment.D", "4", [("4", "env_file at compose.yaml:1:60; from ${D}, set in environment")]),
        ("a.environment.E", "2!", [("2!", "env_file at compose.yaml:1:60; from ${B}, set in .env:2")]),
    ],
)
def test_a_name_without_a_value_says_where_it_was_filled_from(
    path: str, value: object, says: list[tuple[object, str]], tmp_path: Path
) -> None:
    for name, text in PASSED.items():
        (tmp_path / name).write_text(text)
    loaded = load(Request(str(tmp_path), {"A": "1", "D": "4"}, project_name="p"))
    found = history(loaded, f"services.{path}")
    assert found.value == value
    assert [(say.value, say.note) for say in found.says] == says
