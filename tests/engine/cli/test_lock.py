"""`rorqual lock`: a tag's digest is kept, `up` goes by it on every engine, and `plan` says when the tag has moved."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api.errors import InvalidArgument
from engine.reconcile.pins import lock_document, pinned, read_pins, tagged_images
from specs.models import Build, Image, Project, Service
from tests.desk import Desk
from tests.engines import TEST_REGISTRY, RunningEngine
from tests.registries import running_registry

BOX = f"{TEST_REGISTRY}/locked/box:1"
OTHER = f"{TEST_REGISTRY}/locked/other:1"
DIGEST = f"sha256:{'7' * 64}"
FILE = f"""
name: locked
services:
  web: {{image: "{BOX}", command: [sleep, "1000"], stop_grace_period: 0s}}
  built: {{image: "{TEST_REGISTRY}/locked/built:1", build: ., profiles: [never]}}
"""


@pytest.fixture(params=["docker", "podman", "rorqual"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    engine: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    desk = Desk(tmp_path, engine)
    (tmp_path / "compose.yaml").write_text(FILE)
    with running_registry(tmp_path, port=int(TEST_REGISTRY.partition(":")[2]), netns=engine.pid):
        try:
            yield desk
        finally:
            desk.call("down")
            for found in desk.call("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split():
                if found in {BOX, OTHER}:
                    desk.call("image", "rm", "-f", found)


def locked(desk: Desk) -> str:
    images = json.loads((desk.folder / "compose.lock").read_text())["images"]
    assert list(images) == [BOX]
    return str(images[BOX])


@pytest.mark.root
def test_a_lock_outlives_the_move_of_its_tag(desk: Desk, tmp_path: Path) -> None:
    desk.call("image", "tag", desk.engine.image, BOX)
    desk.call("image", "push", BOX)
    assert desk.call("lock", "--dry-run").endswith("would write compose.lock\n")
    assert not (tmp_path / "compose.lock").exists()
    assert desk.call("lock") == f"{BOX}: {locked(desk)}\nwrote compose.lock\n"
    first = locked(desk)
    assert "tag moved" not in desk.call("plan")

    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("empty"), io.BytesIO())
    desk.call("image", "import", str(tmp_path / "root.tar"), OTHER)
    desk.call("image", "rm", BOX)
    made = "latest" if desk.engine.kind == "podman" else "1"
    desk.call("image", "tag", OTHER.replace(":1", f":{made}"), BOX)
    desk.call("image", "push", BOX)
    warned = desk.call("plan")
    assert f"tag moved: {first} → sha256:" in warned
    assert "tag moved" not in desk.call("plan", "--no-registry")

    desk.call("up", "-d")
    shown = desk.call("container", "inspect", "-f", "{{.Config.Image}} {{.State.Status}}", "locked-web-1")
    # Podman leaves the tag out
    assert shown.replace(":1@", "@").split() == [f"{BOX.removesuffix(':1')}@{first}", "running"]
    assert desk.call("plan", "--detailed-exitcode", "--no-registry").startswith("Nothing to change")
    assert first not in desk.call("lock")
    assert "image" in desk.call("plan", "--detailed-exitcode", code=2)


@pytest.mark.root
def test_half_a_lock_is_not_written(rorqual_engine: RunningEngine, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(FILE)
    (tmp_path / "compose.lock").write_bytes(lock_document({BOX: DIGEST}))
    assert f"can't find the digest of {BOX}" in Desk(tmp_path, rorqual_engine).call("lock", code=1)
    assert read_pins(tmp_path / "compose.lock") == {BOX: DIGEST}


def test_only_what_is_pulled_by_a_tag_is_pinned(tmp_path: Path) -> None:
    services = {
        "web": Service(image="redis"),
        "fixed": Service(image=f"redis@{DIGEST}"),
        "entry": Service(image="db"),
        "other": Service(image="redis:8"),
    }
    images = {"db": Image(pull="pg:16", reference="pg:16")}
    project = Project(name="p", working_dir=str(tmp_path), services=services, images=images)
    assert pinned(project) is project
    pins = {"docker.io/library/redis:latest": DIGEST, "docker.io/library/pg:16": DIGEST}
    (tmp_path / "compose.lock").write_bytes(lock_document(pins))
    found = pinned(project)
    assert [s.image for s in found.services.values()] == [f"redis:latest@{DIGEST}", f"redis@{DIGEST}", "db", "redis:8"]
    assert found.images["db"].reference == found.images["db"].pull == f"pg:16@{DIGEST}"


def test_what_builds_start_from_is_pinned_in_their_dockerfiles(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "ARG V=16\nFROM pg:$V AS one\nFROM shop AS two\nCOPY --from=redis /a /a\nFROM base\nCOPY --from=one /b /b\n"
        "COPY --from=two /c /c\nCOPY --from=mine /d /d\n"
    )
    build = Build(context=str(tmp_path), additional_contexts={"mine": "docker-image://other"})
    project = Project(
        name="p",
        working_dir=str(tmp_path),
        services={"web": Service(build=build), "shop": Service(image="shop", build=Build(context="."))},
        images={"base": Image(build=build, reference="p-base:latest")},
    )
    names = {str(reference) for address, reference in tagged_images(project) if address.name == "web"}
    assert names == {"docker.io/library/pg:16", "docker.io/library/redis:latest"}
    (tmp_path / "compose.lock").write_bytes(lock_document({"docker.io/library/pg:16": DIGEST}))
    for found in (pinned(project).services["web"].build, pinned(project).images["base"].build):
        assert found is not None
        assert found.additional_contexts == {"pg:16": f"docker-image://pg:16@{DIGEST}", "mine": "docker-image://other"}


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"version": 1, "images": {"a:1": "x"}}'])
def test_a_lock_file_that_lock_did_not_write_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "compose.lock").write_text(text)
    with pytest.raises(InvalidArgument, match="`rorqual lock` writes it anew"):
        read_pins(tmp_path / "compose.lock")
