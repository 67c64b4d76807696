"""`config --resolve-image-digests` and `--lock-image-digests` print what Docker Compose prints, beside a registry."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import TEST_REGISTRY, RunningEngine
from tests.workshop import RORQUAL, Workshop

pytestmark = pytest.mark.root

PINNED = f"pinned/image@sha256:{'7' * 64}"
FILE = f"""
services:
  tagged: {{image: "{TEST_REGISTRY}/digests/box:1", command: x}}
  built: {{image: "{TEST_REGISTRY}/digests/box:1", build: .}}
  pinned: {{image: "{PINNED}"}}
  nameless: {{build: .}}
"""


@pytest.fixture(scope="module")
def registry(docker_engine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    """The engine, its test image pushed to a registry in its network."""
    folder = tmp_path_factory.mktemp("registry")
    serve = [RORQUAL, "registry", "serve", f"--listen={TEST_REGISTRY.replace('localhost', '127.0.0.1')}"]
    command = ["nsenter", f"--net=/proc/{docker_engine.pid}/ns/net", *serve, f"--root={folder}/root"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with Workshop(folder, docker_engine, "digests") as shop:
            shop.docker("tag", docker_engine.image, f"{TEST_REGISTRY}/digests/box:1")
            # the engine tries until the registry listens
            for _ in range(100):
                if not shop.call(["docker", "push", f"{TEST_REGISTRY}/digests/box:1"], 60).returncode:
                    break
            yield docker_engine
            shop.docker("rmi", f"{TEST_REGISTRY}/digests/box:1")
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def shop(tmp_path: Path, registry: RunningEngine) -> Iterator[Workshop]:
    with Workshop(tmp_path, registry, "digests") as workshop:
        workshop.write(FILE)
        yield workshop


@pytest.mark.parametrize("flag", ["--resolve-image-digests", "--lock-image-digests"])
def test_images_are_pinned_as_docker_compose_pins_them(shop: Workshop, flag: str) -> None:
    assert shop.run("config", flag).stdout == shop.compose("config", flag).stdout
    ours, theirs = (run("config", flag, "--format", "json").stdout for run in (shop.run, shop.compose))
    assert json.loads(ours) == json.loads(theirs)
    assert json.loads(ours)["services"]["tagged"]["image"].startswith(f"{TEST_REGISTRY}/digests/box:1@sha256:")


def test_an_image_that_no_registry_has_is_named(shop: Workshop) -> None:
    shop.write(FILE.replace("box:1", "none:1"))
    assert "can't find the digest of localhost" in shop.run("config", "--lock-image-digests", code=1).stderr
