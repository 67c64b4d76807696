"""`verify:` of an entry of `images:`: what isn't signed with the key is never run, on any engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desk import Desk
from tests.engine.registry.signing import new_key
from tests.engines import TEST_REGISTRY, RunningEngine
from tests.registries import ROOT, running_registry

pytestmark = pytest.mark.root

NAME = "verified/box"
BOX = f"{TEST_REGISTRY}/{NAME}:1"
FILE = """
name: verified
services: {web: {image: box, command: [sleep, "1000"], stop_grace_period: 0s}}
images: {box: {%s, verify: {cosign: ./release.pub}}}
"""
PULLED = f'pull: "{BOX}"'
PUSHED = f'build: {{dockerfile_inline: "FROM %s"}}, tags: ["{BOX}"], push: true'


@pytest.fixture(params=["docker", "podman", "rorqual"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """With a registry beside the engine."""
    engine: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    desk = Desk(tmp_path, engine)
    with running_registry(tmp_path / "registry", port=int(TEST_REGISTRY.partition(":")[2]), netns=engine.pid):
        try:
            yield desk
        finally:
            desk.call("down", "--rmi", "all")


def digest_of_box(desk: Desk) -> str:
    return desk.call("lock").split()[1]


BY_FILE = "import sys; from tests.engine.registry.signing import sign_by_file; sign_by_file(*sys.argv[1:])"


def sign(desk: Desk, digest: str) -> None:
    """Where the registry is: in the engine's network."""
    inside = ["nsenter", f"--net=/proc/{desk.engine.pid}/ns/net", sys.executable, "-c", BY_FILE]
    subprocess.run([*inside, TEST_REGISTRY, NAME, digest, str(desk.folder / "private.pem")], check=True, cwd=ROOT)


def test_an_image_without_the_signature_is_not_pulled(desk: Desk) -> None:
    new_key(desk.folder / "release.pub", private=desk.folder / "private.pem")
    (desk.folder / "compose.yaml").write_text(FILE % PULLED)
    desk.call("image", "tag", desk.engine.image, BOX)
    desk.call("image", "push", BOX)
    # it is there, and nobody has seen a signature
    said = desk.call("up", "-d", code=1)
    assert "is not signed with" in said and "it has no signature" in said
    assert "web" not in desk.call("ps", "-a")
    sign(desk, digest_of_box(desk))
    desk.call("up", "-d")
    assert "running" in desk.call("container", "inspect", "-f", "{{.State.Status}}", "verified-web-1")
    assert desk.call("plan", "--detailed-exitcode", "--no-registry").startswith("Nothing to change")
    # another key in the file has verified nothing
    new_key(desk.folder / "release.pub")
    assert "its signature hasn't been checked" in desk.call("plan", "--detailed-exitcode", "--no-registry", code=2)


def test_what_was_pushed_runs_once_it_is_signed(desk: Desk) -> None:
    new_key(desk.folder / "release.pub", private=desk.folder / "private.pem")
    (desk.folder / "compose.yaml").write_text(FILE % (PUSHED % desk.engine.image))
    said = desk.call("up", "-d", code=1)
    assert f"{BOX}@sha256:" in said and "it has no signature" in said
    assert "web" not in desk.call("ps", "-a")
    digest = said.partition(f"{BOX}@")[2][:71]
    sign(desk, digest)
    desk.call("up", "-d")
    assert "running" in desk.call("container", "inspect", "-f", "{{.State.Status}}", "verified-web-1")
    assert desk.call("plan", "--detailed-exitcode", "--no-registry").startswith("Nothing to change")
