"""Options of ours that can't be meant: each is an error at its place, with what there is instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.graph.address import Address, Kind
from engine.plan.ignored import ignored_of
from specs.load import Request, load

SHOP = """
services: {web: {image: a, environment: {A.B: x}, x-rorqual: {sensitive: %s}}, db: {image: b}}
networks: {front: {}}
x-rorqual: {drift: {ignore: %s}}
"""


def found(tmp_path: Path, ignore: str, sensitive: str = "[]") -> list[tuple[str, str, str | None]]:
    (tmp_path / "compose.yaml").write_text(SHOP % (sensitive, ignore))
    report = load(Request(str(tmp_path), project_name="shop")).report
    return [(d.code, d.message, d.hint) for d in report.diagnostics]


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("services.wbe", 'did you mean "web"?'),
        ("services.web.imagee", 'did you mean "image"?'),
        ("service.web.image", 'did you mean "services"?'),
        ("networks.front.drivr", 'did you mean "driver"?'),
        ("services", "there are: services.db, services.web"),
    ],
)
def test_a_path_that_is_none_is_an_error_with_a_suggestion(tmp_path: Path, path: str, hint: str) -> None:
    ((code, message, told),) = found(tmp_path, f"['{path}']")
    assert (code, told) == ("unknown-path", hint)
    assert f'"{path}" is no path of this project' in message


def test_paths_that_there_are_say_nothing(tmp_path: Path) -> None:
    good = "services.web.deploy.resources, 'services.*.labels', networks.front, services.db.state, services.web.health"
    assert found(tmp_path, f"[{good}]") == []


@pytest.mark.parametrize(
    ("text", "code", "message", "hint"),
    [
        (
            "x-rorqual: {sensitve: [A]}",
            "unknown-key",
            "x-rorqual.sensitve: 'sensitve' is not",
            'did you mean "sensitive"?',
        ),
        ("x-rorqual: {drift: {ignroe: []}}", "unknown-key", "x-rorqual.drift.ignroe: ", 'did you mean "ignore"?'),
        ("x-rorqual: {ingress: 1}", "unknown-key", "x-rorqual.ingress: ", "there is drift and images and sensitive"),
        ("x-rorqual: [a]", "wrong-type", "x-rorqual must be a mapping", None),
    ],
)
def test_a_key_of_ours_that_there_is_not_is_an_error(
    tmp_path: Path, text: str, code: str, message: str, hint: str | None
) -> None:
    (tmp_path / "compose.yaml").write_text(f"services: {{a: {{image: x}}}}\n{text}\n")
    (only,) = load(Request(str(tmp_path), project_name="shop")).report.diagnostics
    assert (only.code, only.hint, only.message.startswith(message)) == (code, hint, True), only
    assert only.span is not None and only.span.line == 2


def test_a_service_knows_two_keys_of_ours_and_one_kind(tmp_path: Path) -> None:
    def told(options: str) -> list[str]:
        (tmp_path / "compose.yaml").write_text(f"services: {{a: {{image: x, x-rorqual: {options}}}}}")
        return [d.message for d in load(Request(str(tmp_path), project_name="shop")).report.diagnostics]

    assert told("{kind: job, sensitive: [A], x-note: any}") == []
    assert told("{kind: server}") == ["services.a.x-rorqual.kind is \"job\" or left out, not 'server'"]
    assert told("{sensitve: [A]}")[0].startswith("services.a.x-rorqual.sensitve: ")


def test_what_is_no_list_of_texts_is_an_error(tmp_path: Path) -> None:
    assert [code for code, _, _ in found(tmp_path, "services.web", "[1, A]")] == ["wrong-type", "wrong-type"]


def test_a_rule_covers_what_it_names_and_what_is_part_of_that_in_every_spelling(tmp_path: Path) -> None:
    found(tmp_path, "[services.web.deploy.resources, 'services.*.labels', services.db, services.web.environment.A.B]")
    project = load(Request(str(tmp_path), project_name="shop")).project
    assert project is not None
    ignored, web, db = ignored_of(project), Address(Kind.SERVICE, "web", 1), Address(Kind.SERVICE, "db", 1)
    assert ignored.matches(web, "mem_limit") and ignored.matches(web, "deploy.resources.limits.cpus")
    assert ignored.matches(web, "labels.a.b") and ignored.matches(web, "environment.A.B")
    assert ignored.matches(db, "command")
    for path in ("restart", "environment.A", "command", "state"):
        assert not ignored.matches(web, path)
    assert not ignored.matches(Address(Kind.NETWORK, "web"), "labels.a")


def test_an_image_that_is_pulled_stands_under_the_name_that_it_is_pulled_by(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("images: {db: {pull: pg:16}}\nservices: {db: {image: db}}\n")
    project = load(Request(str(tmp_path), project_name="shop")).project
    assert project is not None
    assert project.images["db"].reference == "pg:16"
