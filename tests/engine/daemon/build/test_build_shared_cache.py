"""Caches at registries: what one engine built, another finds there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.busybox import REFERENCE
from tests.dockerfiles import docker
from tests.engine.daemon.build.building import FROM, Builds
from tests.engines import running_rorqual, short_folder
from tests.registries import Registry, free_port, running_registry

pytestmark = pytest.mark.root

STAGED = (
    FROM.replace("\n", " AS tools\n")
    + "COPY a /a\nRUN head -c 20 /dev/urandom | md5sum > /made\nENV T=1\n"
    + FROM
    + "WORKDIR /w\nCOPY --from=tools /made /made\nRUN cat /made > /end && date +%N > /when\nCMD x\n"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A registry that stands now beside the one engine, now beside the other: each has a network of its own."""

    root: Path
    port: int

    @contextmanager
    def beside(self, builds: Builds) -> Iterator[Registry]:
        with running_registry(self.root, port=self.port, netns=builds.engine.pid) as registry:
            yield registry

    def name(self, path: str) -> str:
        return f"127.0.0.1:{self.port}/caches/{path}:1"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("caches"), free_port())


@pytest.fixture(scope="module")
def other() -> Iterator[Builds]:
    with short_folder() as folder, running_rorqual(folder) as engine:
        yield Builds(engine)


def test_another_engine_finds_every_step_and_makes_the_same_image(builds: Builds, other: Builds, place: Place) -> None:
    name = place.name("staged")
    with place.beside(builds):
        said = builds.said(STAGED, {"a": "1"}, t="shared", nocache=1, cacheexport=[f"{name},mode=max"])
    assert f"Exported the cache to {name}: 7 steps, 4 layers\n" in said
    with place.beside(other):
        found = other.said(STAGED, {"a": "1"}, t="shared", cacheimport=[name])
        changed = other.said(STAGED, {"a": "2"}, cacheimport=[name])
    assert f"# the cache {name} has 7 steps\n" in found and found.count("Using cache") == 7
    assert changed.count("Using cache") == 1
    assert other.inspect("shared")["Id"] == builds.inspect("shared")["Id"]
    assert other.file("shared", "/when") == builds.file("shared", "/when")
    # what was brought is the engine's own by now
    assert other.said(STAGED, {"a": "1"}).count("Using cache") == 7


def test_without_max_the_steps_of_the_target_alone_go(builds: Builds, other: Builds, place: Place) -> None:
    name = place.name("least")
    text = STAGED.replace("20 /dev", "21 /dev")
    with place.beside(builds):
        assert f"to {name}: 4 steps, 3 layers" in builds.said(text, {"a": "1"}, nocache=1, cacheexport=[name])
    other.post("/build/prune?all=1")
    with place.beside(other):
        found = other.said(text, {"a": "1"}, cacheimport=[name])
    # the stage is built anew, its file is another one, and so are the steps that take it
    assert found.count("Using cache") == 1, found


def test_a_cache_that_is_not_there_or_none_is_told_and_holds_up_nobody(builds: Builds, place: Place) -> None:
    image, none = place.name("image"), place.name("none")
    with place.beside(builds):
        docker(builds.engine.socket, "tag", REFERENCE, image)
        docker(builds.engine.socket, "push", image)
        said = builds.said(FROM + "RUN true\n", cacheimport=[none, image, "localhost:1/x"])
    assert f"# no cache is taken from {none}: " in said and f"# {image} is no cache of this builder's" in said
    assert "# no cache is taken from localhost:1/x: " in said
    fault = builds.fault(FROM + "RUN true\n", t="made-anyway", cacheexport=["localhost:1/x"])["message"]
    assert fault.startswith("the cache can't be put to localhost:1/x: ")
    assert builds.inspect("made-anyway")
    assert builds.fault(FROM, cacheimport=["no such name"])["message"].startswith("the cache no such name: invalid")


def test_a_damaged_cache_gives_no_step_and_no_fault(builds: Builds, other: Builds, place: Place) -> None:
    name, blobs = place.name("damaged"), "/v2/caches/damaged/blobs"
    text = FROM + "RUN echo damaged > /d; date +%N > /when\n"
    with place.beside(builds):
        builds.said(text, nocache=1, cacheexport=[name])
    with running_registry(place.root) as registry:
        manifest = registry.ask("GET", "/v2/caches/damaged/manifests/1").json
        config = registry.ask("GET", f"{blobs}/{manifest['config']['digest']}").json
        # a layer that is another one than its step says
        (diff_id,) = config["layers"]
        config["layers"][diff_id] |= {"digest": registry.push_blob("caches/damaged", b"x" * 512), "size": 512}
        for tag, changed in enumerate((config, {**config, "version": 9}, {**config, "steps": [{"state": {}}]}, [])):
            content = json.dumps(changed).encode()
            digest = registry.push_blob("caches/damaged", content)
            manifest["config"] |= {"digest": digest, "size": len(content)}
            assert registry.push_manifest("caches/damaged", f"bad{tag}", manifest).status == 201
    with place.beside(other):
        for tag in range(4):
            assert other.said(text, cacheimport=[f"{name.removesuffix(':1')}:bad{tag}"]).count("Using cache") == 0
            other.post("/build/prune?all=1")
