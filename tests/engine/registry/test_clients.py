"""Other people's clients on our registry: skopeo, buildah, podman and docker push, pull, copy, list and delete."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.busybox import busybox_archive
from tests.engines import TEST_REGISTRY, RunningEngine, short_folder
from tests.registries import Registry, running_registry

pytestmark = pytest.mark.root


def run(*words: str) -> str:
    if shutil.which(words[0]) is None:
        pytest.skip(f"needs {words[0]}; `make test` installs it")
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def archive() -> str:
    return f"docker-archive:{busybox_archive()}"


@pytest.mark.parametrize("form", ["v2s2", "oci"])
def test_skopeo_copies_lists_inspects_and_deletes(
    rorqual_registry: Registry, name: str, archive: str, form: str, tmp_path: Path
) -> None:
    where = f"docker://{rorqual_registry.address}/{name}"
    run("skopeo", "copy", "--dest-tls-verify=false", f"--format={form}", archive, f"{where}:v1")
    run("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"{where}:v1", f"{where}-copy:v2")
    listed = json.loads(run("skopeo", "list-tags", "--tls-verify=false", f"{where}-copy"))
    assert listed["Tags"] == ["v2"]
    first = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"{where}:v1"))
    copied = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"{where}-copy:v2"))
    assert first["Digest"] == copied["Digest"]
    run("skopeo", "copy", "--src-tls-verify=false", f"{where}@{first['Digest']}", f"dir:{tmp_path / 'out'}")
    run("skopeo", "delete", "--tls-verify=false", f"{where}:v1")
    assert rorqual_registry.ask("GET", f"/v2/{name}/manifests/v1").status == 404


def test_buildah_pushes_and_pulls(rorqual_registry: Registry, name: str, archive: str) -> None:
    with short_folder() as folder:
        buildah = ("buildah", "--storage-driver=vfs", f"--root={folder / 'root'}", f"--runroot={folder / 'run'}")
        image = run(*buildah, "pull", "--quiet", archive).split()[-1]
        where = f"{rorqual_registry.address}/{name}:v1"
        run(*buildah, "push", "--tls-verify=false", image, f"docker://{where}")
        run(*buildah, "rmi", image)
        assert run(*buildah, "pull", "--quiet", "--tls-verify=false", where).split()[-1] == image


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> RunningEngine:
    found: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    return found


@pytest.fixture(scope="module")
def beside(engine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Our registry in the engine's network namespace, on loopback."""
    host, _, port = TEST_REGISTRY.partition(":")
    assert host == "localhost"
    with running_registry(tmp_path_factory.mktemp("registry"), port=int(port), netns=engine.pid) as registry:
        yield registry


def test_docker_pushes_searches_and_pulls_by_tag_and_digest(engine: RunningEngine, beside: Registry, name: str) -> None:
    docker = ("docker", f"--host={engine.host}")
    where = f"{TEST_REGISTRY}/{name}"
    run(*docker, "tag", engine.image, f"{where}:v1")
    pushed = run(*docker, "push", f"{where}:v1")
    digest = pushed.rpartition("digest: ")[2].split()[0] if "digest: " in pushed else ""
    run(*docker, "rmi", f"{where}:v1")
    assert f"{where}:v1" in run(*docker, "pull", f"{where}:v1")
    if engine.kind == "docker":
        assert digest in run(*docker, "pull", f"{where}@{digest}")
        assert name in run(*docker, "search", "--format={{.Name}}", f"{TEST_REGISTRY}/{name}")
        assert "Layer already exists" in run(*docker, "push", f"{where}:v1")
        run(*docker, "tag", engine.image, f"{where}-other:v1")
        assert "Mounted from" in run(*docker, "push", f"{where}-other:v1")
