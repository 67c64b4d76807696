"""Images declared in the spec: what they are made from is part of the plan of the services above them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import RunningEngine
from tests.workshop import Workshop

pytestmark = pytest.mark.root

FILE = """
images:
  base:
    debian: {suite: bookworm, packages: [busybox], files: [{source: ./page, target: /page}], cmd: [sleep, "1000"]}
services:
  a: {image: base, init: true, stop_grace_period: 0s}
"""


@pytest.fixture
def shop(tmp_path: Path, docker_engine: RunningEngine) -> Iterator[Workshop]:
    with Workshop(tmp_path, docker_engine, "imaged") as workshop:
        workshop.write(FILE)
        yield workshop


def test_a_changed_file_of_an_image_replaces_the_services_that_run_it(shop: Workshop) -> None:
    (shop.folder / "page").write_text("one\n")
    shop.run("up", "-d")
    assert shop.plan()["steps"] == []
    (shop.folder / "page").write_text("two\n")
    steps = [(s["address"], s["action"]) for s in shop.plan()["steps"]]
    assert steps == [("image.base", "build"), ("service.a.1", "replace")]
    shop.run("up", "-d")
    assert shop.docker("exec", f"{shop.name}-a-1", "cat", "/page") == "two\n"
    assert shop.plan()["steps"] == []
    shop.run("down", "--rmi", "all")
    assert shop.docker("images", "-q", f"{shop.name}-base") == ""
