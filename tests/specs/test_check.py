# ruff: noqa: E501 (a case a line: tables read across)
"""Cross-reference rules: what is said, where, and with which suggestion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from specs.check.capabilities import LACKS, RUNTIMES, Lack, Runtime, check_capabilities, matches, table
from specs.load import Loaded, Request, load
from specs.shapes.project import PROJECT
from specs.source import Diagnostic, Report, Severity


def loaded(folder: Path, text: str, **settings: object) -> Loaded:
    (folder / "compose.yaml").write_text(text)
    return load(Request(str(folder), project_name="p", **settings))  # type: ignore[arg-type]


def complaints(folder: Path, text: str, **settings: object) -> list[Diagnostic]:
    return list(loaded(folder, text, **settings).report)


def only(found: list[Diagnostic]) -> Diagnostic:
    assert len(found) == 1, [str(d) for d in found]
    return found[0]


def place(diagnostic: Diagnostic) -> tuple[int, int]:
    assert diagnostic.span is not None
    return diagnostic.span.line, diagnostic.span.column


# kind of reference → the file, where the fault is, what is suggested
UNKNOWN = {
    "depends_on list": ("services: {a: {image: x, depends_on: [bd]}, bdd: {image: y}}", (1, 39), "bdd"),
    "depends_on map": ("services: {a: {image: x, depends_on: {bd: {condition: service_started}}}, bdd: {image: y}}", (1, 39), "bdd"),
    "links": ("services: {a: {image: x, links: ['bd:alias']}, bdd: {image: y}}", (1, 34), "bdd"),
    "volumes_from": ("services: {a: {image: x, volumes_from: ['bd:ro']}, bdd: {image: y}}", (1, 41), "bdd"),
    "networks": ("services: {a: {image: x, networks: [frnt]}}\nnetworks: {front: }", (1, 37), "front"),
    "volume short": ("services: {a: {image: x, volumes: ['dta:/x']}}\nvolumes: {data: }", (1, 36), "data"),
    "volume long": ("services: {a: {image: x, volumes: [{type: volume, source: dta, target: /x}]}}\nvolumes: {data: }", (1, 59), "data"),
    "secret": ("services: {a: {image: x, secrets: [tok]}}\nsecrets: {token: {environment: T}}", (1, 36), "token"),
    "secret long": ("services: {a: {image: x, secrets: [{source: tok}]}}\nsecrets: {token: {environment: T}}", (1, 45), "token"),
    "config": ("services: {a: {image: x, configs: [ap]}}\nconfigs: {app: {content: c}}", (1, 36), "app"),
    "build secret": ("services: {a: {build: {context: ., secrets: [tok]}}}\nsecrets: {token: {environment: T}}", (1, 46), "token"),
    "model": ("services: {a: {image: x, models: [lm]}}\nmodels: {llm: {model: m}}", (1, 35), "llm"),
    "build context": ("services: {a: {build: {context: ., additional_contexts: {k: 'service:bd'}}}, bdd: {build: .}}", (1, 61), "bdd"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNKNOWN)
def test_an_undefined_name_is_found_at_its_place_with_a_suggestion(kind: str, tmp_path: Path) -> None:
    text, where, suggested = UNKNOWN[kind]
    found = only(complaints(tmp_path, text))
    assert found.code.startswith("unknown-")
    assert place(found) == where
    assert found.hint is not None and found.hint.startswith(f'did you mean "{suggested}" (compose.yaml:')


def test_five_faults_give_five_diagnostics_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """
services:
  z: {image: x, depends_on: [nope]}
  b: {image: x, networks: [nope]}
  c: {image: x, volumes: ["nope:/x"]}
  d: {image: x, secrets: [nope], configs: [nope]}
"""
    assert [place(d)[0] for d in complaints(tmp_path, text)] == [3, 4, 5, 6, 6]


def test_a_cycle_is_told_once_with_its_path_and_the_place_of_every_step(tmp_path: Path) -> None:
    text = "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, links: [c]}\n  c: {image: x, network_mode: 'service:a'}\n"
    found = only(complaints(tmp_path, text))
    assert found.code == "dependency-cycle"
    assert found.message.endswith("a → b → c → a")
    assert place(found) == (2, 30)
    assert [(r.span.line, r.message) for r in found.related] == [(3, '"b" depends on "c"'), (4, '"c" depends on "a"')]


def test_a_chain_of_ten_thousand_services_is_no_cycle_and_no_recursion(tmp_path: Path) -> None:
    chain = "".join(f"  s{i}: {{image: x, depends_on: [s{i + 1}]}}\n" for i in range(10_000))
    assert complaints(tmp_path, f"services:\n{chain}  s10000: {{image: x}}\n") == []


def test_a_dependency_out_of_every_profile_names_the_profile(tmp_path: Path) -> None:
    text = "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: y, profiles: [dbg]}\n"
    found = only(complaints(tmp_path, text))
    assert (found.code, place(found)) == ("inactive-service", (2, 30))
    assert found.hint is not None and "--profile dbg" in found.hint
    assert found.related[0].span.line == 3
    assert complaints(tmp_path, text, profiles=["dbg"]) == []


@pytest.mark.parametrize(
    ("body", "warned"),
    [
        ("scale: 2, ports: ['80:80']", True),
        ("deploy: {replicas: 2}, ports: [{target: 80, published: '80'}]", True),
        ("scale: 3, ports: ['8000-8001:80']", True),
        ("scale: 2, ports: ['8000-8001:80']", False),
        ("scale: 2, ports: ['80']", False),
        ("scale: 1, ports: ['80:80']", False),
        ("scale: 0, ports: ['80:80']", False),
        ("scale: 2, network_mode: host, ports: ['80:80']", False),
    ],
)
def test_replicas_that_share_a_host_port_are_a_warning(body: str, warned: bool, tmp_path: Path) -> None:
    found = complaints(tmp_path, f"services: {{a: {{image: x, {body}}}}}")
    assert [d.code for d in found] == (["fixed-port-many-replicas"] if warned else [])
    assert all(d.severity is Severity.WARNING for d in found)


def capabilities(folder: Path, text: str, runtime: Runtime, *, strict: bool = False) -> list[Diagnostic]:
    found = loaded(folder, text)
    assert found.root is not None and not found.report.failed
    report = Report()
    check_capabilities(found.root, runtime, report, strict=strict)
    return list(report)


def test_a_key_that_the_runtime_cannot_honour_is_a_warning_that_names_key_place_and_runtime(tmp_path: Path) -> None:
    text = "services:\n  a:\n    image: x\n    deploy:\n      placement: {constraints: [a]}\n"
    found = only(capabilities(tmp_path, text, "podman"))
    assert found.severity is Severity.WARNING
    assert "services.a.deploy.placement" in found.message and "podman" in found.message
    assert place(found) == (5, 7)
    assert only(capabilities(tmp_path, text, "podman", strict=True)).severity is Severity.ERROR


def test_a_runtime_is_warned_about_only_what_it_lacks(tmp_path: Path) -> None:
    text = "services: {a: {image: x, links: [b]}, b: {image: y, isolation: default}}"
    assert capabilities(tmp_path, text, "docker") == []
    assert len(capabilities(tmp_path, text, "podman")) == 1


def test_a_key_that_came_with_a_later_api_is_named_on_an_older_docker_alone(tmp_path: Path) -> None:
    text = "services: {a: {image: x, volumes: [{type: volume, source: v, target: /v, volume: {subpath: one}}]}}\nvolumes: {v: }\n"
    found = loaded(tmp_path, text)
    assert found.root is not None

    def told(runtime: Runtime, api: tuple[int, int] | None) -> list[str]:
        report = Report()
        assert found.root is not None
        check_capabilities(found.root, runtime, report, api=api)
        return [each.message for each in report]

    assert told("docker", (1, 41)) == [
        "services.a.volumes.0.volume.subpath isn't known to this engine, whose API is 1.41: it takes 1.45 (docker)"
    ]
    assert told("docker", (1, 45)) == told("docker", None) == told("rorqual", (1, 50)) == []
    assert "volume.subpath isn't known to its API (podman)" in told("podman", (1, 41))[0]


@pytest.mark.parametrize("lack", LACKS, ids=lambda lack: lack.path)
def test_the_capability_table_names_only_keys_of_the_language(lack: Lack) -> None:
    shapes = [PROJECT.schema]
    for step in lack.steps:
        shapes = [inner for shape in shapes for inner in below(shape, step)]
        assert shapes, f"no {step} in {lack.path}"


def below(schema: dict[str, Any], step: str) -> list[dict[str, Any]]:
    """Every shape that a step leads to, in any of the choices."""
    found = []
    for choice in schema.get("oneOf", [schema]):
        if step == "*":
            found += choice.get("patternProperties", {}).values()
            found += [choice["items"]] if "items" in choice else []
        elif step in choice.get("properties", {}):
            found.append(choice["properties"][step])
    return found


def test_the_manual_table_has_a_row_for_every_lack() -> None:
    rows = table().splitlines()
    assert len(rows) == len(LACKS) + 2
    assert all(row.count("|") == len(RUNTIMES) + 3 for row in rows)


def test_wildcards_match_items_and_names(tmp_path: Path) -> None:
    found = loaded(tmp_path, "services: {a: {image: x, ports: ['1', '2']}, b: {image: y, ports: ['3']}}")
    assert found.root is not None
    paths = [".".join(path) for path, _ in matches(found.root, ["services", "*", "ports", "*", "target"])]
    assert paths == ["services.a.ports.0.target", "services.a.ports.1.target", "services.b.ports.0.target"]
