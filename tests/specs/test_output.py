"""What is printed: YAML in Go's dress, hashes, the facts of `config`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from specs.load import Request, load
from specs.output import compact_json, config_hash, json_text, service_hash
from specs.output_yaml import yaml_values
from specs.plain_compose import plain_compose
from specs.yaml_text import string_text, yaml_text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("yes", '"yes"'),
        ("n", '"n"'),
        ("0x10", '"0x10"'),
        ("1e3", '"1e3"'),
        ("2020-01-01", '"2020-01-01"'),
        ("1:20", '"1:20"'),
        (" lead", "' lead'"),
        ("a: b", "'a: b'"),
        ("a #c", "'a #c'"),
        ("- x", "'- x'"),
        ("a:b", "a:b"),
        ("it's", "it's"),
        ("@x", "'@x'"),
        ("tab\t", '"tab\\t"'),
        ("é", "é"),
        ("😀", '"\\U0001F600"'),
    ],
)
def test_a_string_is_quoted_as_go_would(text: str, written: str) -> None:
    assert string_text(text) == written


@pytest.mark.parametrize("text", ["a\nb", "a\nb\n", "\n a\n", "a \nb", "a\n\n\nb\n\n", "\n", "x: |\n  y\n", "tab\t\nx"])
def test_a_text_of_several_lines_reads_back_as_itself(text: str) -> None:
    written = yaml_text({"a": {"b": text}, "c": [text, [text]], text: 1}, escape=False)
    assert yaml.safe_load(written) == {"a": {"b": text}, "c": [text, [text]], text: 1}


def test_json_escapes_as_go_does_and_doubles_dollars() -> None:
    assert json_text({"a": "<$&>"}) == '{\n  "a": "\\u003c$$\\u0026\\u003e"\n}'
    assert compact_json({"a": [1.5, None, True]}) == '{"a":[1.5,null,true]}'


def test_hashes_are_those_that_compose_wrote(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x}}\n")
    project = load(Request(str(tmp_path), {}, project_name="q")).project
    assert project is not None
    known = "d5457d0b2799957b606d2ac4ed52d85a1e75799490e56229948300b9a59e8953"
    assert service_hash(project, "a") == config_hash(project, "a") == known


def test_replicas_and_dependencies_do_not_change_the_hash_but_an_env_file_does(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=1\n")
    hashes = []
    for body in ("", ", scale: 3, depends_on: [b], pull_policy: always, build: .", ", env_file: a.env"):
        (tmp_path / "compose.yaml").write_text(f"services: {{a: {{image: x{body}}}, b: {{image: y}}}}\n")
        project = load(Request(str(tmp_path), {})).project
        assert project is not None
        hashes.append((service_hash(project, "a"), config_hash(project, "a")))
    assert hashes[0] == hashes[1]
    assert hashes[2][0] != hashes[0][0]
    assert hashes[2][1] != hashes[2][0]


def test_images_of_ours_become_plain_compose(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "images: {base: {debian: {suite: bookworm}}, web: {build: ./web, tags: [t:1]}, db: {pull: pg:16}}\n"
        "services: {a: {image: base}, b: {image: web}, c: {image: db}, d: {image: other}}\n"
    )
    loaded = load(Request(str(tmp_path), {}, project_name="p"))
    services = yaml_values(plain_compose(loaded))["services"]
    assert (services["a"]["image"], services["a"]["pull_policy"]) == ("p-base:latest", "never")
    assert (services["b"]["image"], services["b"]["build"]["context"]) == ("t:1", str(tmp_path / "web"))
    assert services["c"]["image"] == "pg:16"
    assert services["d"]["image"] == "other"


def test_an_image_has_exactly_one_source(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("images: {a: {pull: x, archive: y}, b: {}}\nservices: {s: {image: a}}\n")
    report = load(Request(str(tmp_path), {})).report
    assert [d.code for d in report] == ["exclusive-keys", "missing-key"]


def test_config_of_one_service_imports_no_models(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x}}\n")
    program = (
        "import sys; from specs.load import load, Request; from specs.output import json_text, json_values;"
        f"r = load(Request({str(tmp_path)!r}, {{}})); json_text(json_values(r.values));"
        "heavy = {'pydantic', 'networkx', 'rich', 'httpx', 'sqlite3', 'asyncio'};"
        "print([m for m in sys.modules if m.split('.')[0] in heavy])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
