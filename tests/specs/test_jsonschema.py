"""The JSON Schema for editors: fresh, valid, and kind to every real file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from specs.jsonschema import PATH, schema, text
from specs.node import plain
from specs.read import read
from tests.specs.cases import Case
from tests.specs.cases.conformance import FOLDER, compose_files
from tests.specs.oracle import ask_oracle

VALIDATOR = jsonschema.Draft7Validator(schema())


def documents(body: str) -> list[Any]:
    return [plain(node) for node in read(body.encode(), "compose.yaml").documents]


def faults(body: str) -> list[str]:
    return [
        f"{'.'.join(map(str, e.path))}: {e.message[:200]}" for d in documents(body) for e in VALIDATOR.iter_errors(d)
    ]


def test_the_schema_file_is_what_the_shapes_say() -> None:
    assert PATH.read_text(encoding="utf-8") == text(), "run: python -m specs.jsonschema"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(text()))


@pytest.mark.parametrize("path", compose_files(), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_real_file_validates(path: Path) -> None:
    if ask_oracle(Case("real", argv=("-f", path.name), place=path.parent)).accepted:
        assert faults(path.read_text()) == []


@pytest.mark.parametrize(
    "body",
    [
        "services: {a: {image: x, ports: ['80:80', 90, {target: 80}], environment: {A: 1, B: }, command: x}}",
        "services: {a: {image: x, tty: '${TTY:-true}', scale: $N, deploy: {replicas: $N}}}",
        "services: {a: {image: base}}\nimages: {base: {debian: {suite: bookworm, packages: [busybox]}}}",
        "services: {a: {image: x, x-rorqual: {kind: job}}}\nx-rorqual: {images: {i: {pull: docker.io/x}}}",
        "services: {a: {image: x, ports: !override [80], healthcheck: {test: [CMD, x], retries: '3'}}}",
        "services: {a: {image: x, depends_on: {b: {condition: $C}}}, b: {image: y}}",
    ],
)
def test_every_form_that_is_good_validates(body: str) -> None:
    assert faults(body) == []


@pytest.mark.parametrize(
    "body",
    [
        "services: {a: {image: x, prots: [80]}}",
        "services: {a: {image: x, ports: 80}}",
        "services: {a: {image: x, depends_on: {b: {condition: nonsense}}}}",
        "images: {a: {pull: x, archive: y}}",
        "images: {a: {}}",
        "services: []",
        "services: {a: {image: x, tty: 5}}",
        "foo: bar",
    ],
)
def test_a_fault_is_found(body: str) -> None:
    assert faults(body) != []
