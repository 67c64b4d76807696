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


BUILT = """
services:
  a: {build: {context: ., args: {WORD: file}}, stop_grace_period: 0s}
  b:
    build: {context: other, additional_contexts: {base: 'service:a'}, dockerfile_inline: "FROM base\\nENV B=1\\n"}
    stop_grace_period: 0s
"""
DOCKERFILE = 'FROM {image}\nARG WORD\nENV WORD=$WORD\nCOPY page /page\nCMD ["sleep", "1000"]\n'
WHY = "what it is made from has changed"


@pytest.fixture(params=["docker", "podman", "rorqual"])
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workshop]:
    engine: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    with Workshop(tmp_path, engine, "built") as workshop:
        workshop.write(BUILT)
        (tmp_path / "other").mkdir()
        workshop.write(DOCKERFILE.format(image=engine.image), "Dockerfile")
        workshop.write("one\n", "page")
        try:
            yield workshop
        finally:
            workshop.run("down", "--rmi", "all")


def test_a_changed_source_of_a_services_build_is_a_planned_change(built: Workshop) -> None:
    built.run("up", "-d")
    assert built.plan()["steps"] == []
    built.write("two\n", "page")
    steps = [(s["address"], s["action"], s["because"]) for s in built.plan()["steps"]]
    assert steps[:2] == [
        ("image.a", "build", WHY),
        ("image.b", "build", "image service:a, which it is made on, is renewed"),
    ]
    assert {(s[0], s[1]) for s in steps[2:]} == {("service.a.1", "replace"), ("service.b.1", "replace")}
    assert "built anew" not in built.run("up", "--no-build", "--dry-run").stdout
    built.run("up", "-d")
    for service in ("a", "b"):
        assert built.docker("exec", f"{built.name}-{service}-1", "cat", "/page") == "two\n"
    assert built.plan()["steps"] == []


def test_a_flag_of_one_build_is_not_undone_by_the_next_up(built: Workshop) -> None:
    built.run("build", "--build-arg", "WORD=flag", "a")
    made = built.docker("image", "inspect", "-f", "{{.Id}}", f"{built.name}-a")
    built.run("up", "-d", "a")
    assert built.docker("image", "inspect", "-f", "{{.Id}}", f"{built.name}-a") == made
    assert built.plan("a")["steps"] == []


def test_what_docker_compose_built_is_taken_as_it_is(tmp_path: Path, docker_engine: RunningEngine) -> None:
    with Workshop(tmp_path, docker_engine, "theirs", {"DOCKER_BUILDKIT": "0"}) as workshop:
        workshop.write(BUILT.partition("  b:\n")[0])
        workshop.write(DOCKERFILE.format(image=docker_engine.image), "Dockerfile")
        workshop.write("one\n", "page")
        workshop.compose("up", "-d")
        workshop.write("two\n", "page")
        assert workshop.plan()["steps"] == []
        workshop.run("down", "--rmi", "all")
