"""What entries of `images:` name must be there: each fault an error at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from specs.load import Request, load

FILE = """
secrets: {{token: {{environment: T}}}}
services: {{a: {{image: web}}}}
{images}
"""


def found(tmp_path: Path, entry: str, *, nested: bool) -> list[str]:
    """`line:column: code: message` of each fault."""
    images = f"x-rorqual: {{images: {{web: {entry}}}}}" if nested else f"images: {{web: {entry}}}"
    (tmp_path / "compose.yaml").write_text(FILE.format(images=images))
    report = load(Request(str(tmp_path), project_name="shop")).report
    return [f"{d.span.line if d.span else 0}: {d.code}: {d.message}" for d in report.diagnostics]


@pytest.mark.parametrize("nested", [False, True])
def test_what_an_entry_names_must_be_defined(tmp_path: Path, nested: bool) -> None:
    entry = "{build: {context: ., secrets: [token, tokn], additional_contexts: {x: 'service:b'}}}"
    assert found(tmp_path, entry, nested=nested) == [
        '4: unknown-secret: image "web" uses secret "tokn", which is not defined',
        '4: unknown-service: image "web" uses service "b", which is not defined',
    ]


def test_an_entry_that_is_pushed_says_where_to(tmp_path: Path) -> None:
    assert found(tmp_path, "{build: ., push: true, tags: ['r.example/web:1']}", nested=False) == []
    (fault,) = found(tmp_path, "{build: ., push: true}", nested=False)
    assert fault == '4: push-to-nowhere: image "web" is to be pushed, and has no tag that says where to'
