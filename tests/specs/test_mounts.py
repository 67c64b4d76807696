"""Short mounts that Compose takes and that don't do what they seem to say: each is a warning at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.graph.build import build_graph
from specs.load import Request, load


def warnings(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    (tmp_path / "compose.yaml").write_text(text)
    report = load(Request(str(tmp_path), project_name="p")).report
    assert not report.failed
    return [(d.code, d.message) for d in report.diagnostics]


@pytest.mark.parametrize("external", ["", "{external: true}"])
def test_a_volume_of_one_letter_is_not_mounted_by_the_short_form(tmp_path: Path, external: str) -> None:
    text = f"services: {{a: {{image: x, volumes: ['v:/data']}}}}\nvolumes: {{v: {external}}}\n"
    ((code, message),) = warnings(tmp_path, text)
    assert code == "one-letter-volume"
    assert message == 'service "a" does not mount volume "v": Compose reads v:/data as a path of Windows'


def test_a_path_of_windows_that_no_volume_is_called_like_says_nothing(tmp_path: Path) -> None:
    assert warnings(tmp_path, "services: {a: {image: x, volumes: ['c:/data']}}\n") == []


def test_an_option_of_a_mount_that_means_nothing_is_told_once(tmp_path: Path) -> None:
    base = "services: {b: {image: x, volumes: ['./a:/x:ro,bogus', './b:/y:cached', './c:/z:ro,Z,rslave']}}\n"
    (tmp_path / "base.yaml").write_text(base)
    extends = "{extends: {file: base.yaml, service: b}}"
    found = warnings(tmp_path, f"services: {{a: {extends}, c: {extends}}}\n")
    assert [message.partition(" has ")[2] for _, message in found] == [
        "the option 'bogus', which means nothing",
        "the option 'cached', which means nothing",
    ]


def test_a_named_context_that_is_an_image_of_the_project_is_no_folder(tmp_path: Path) -> None:
    build = "{context: ., additional_contexts: {b: base, f: ./base, o: other}}"
    images = "base: {pull: 'busybox:1'}, mine: {build: {context: ., additional_contexts: {b: base}}}"
    for key, head in (("images", f"images: {{{images}}}"), ("x", f"x-rorqual: {{images: {{{images}}}}}")):
        (tmp_path / "compose.yaml").write_text(f"{head}\nservices: {{a: {{build: {build}}}}}\n")
        project = load(Request(str(tmp_path), project_name="p")).project
        assert project is not None
        assert project.services["a"].build is not None and project.images["mine"].build is not None, key
        here = str(tmp_path)
        contexts = project.services["a"].build.additional_contexts
        assert contexts == {"b": "base", "f": f"{here}/base", "o": f"{here}/other"}
        assert project.images["mine"].build.additional_contexts == {"b": "base"}
        edges = [(str(e.source), str(e.target), e.because) for e in build_graph(project).edges]
        assert ("image.a", "image.base", "additional_contexts") in edges
        assert ("image.mine", "image.base", "additional_contexts") in edges


def test_a_key_of_a_mapping_of_variables_that_begins_with_x_is_a_warning_at_its_place(tmp_path: Path) -> None:
    text = "services: {a: {image: x, environment: {x-a: 1}, build: {context: ., args: {x-b: c}}}}\n"
    (tmp_path / "compose.yaml").write_text(text)
    report = load(Request(str(tmp_path), project_name="p")).report
    assert [(d.code, d.span and d.span.column, d.message.partition(" begins")[0]) for d in report.diagnostics] == [
        ("extension", 40, "services.a.environment: 'x-a'"),
        ("extension", 76, "services.a.build.args: 'x-b'"),
    ]
