"""The same Dockerfiles by buildah and by our builder: the same trees, modes, owners and configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.busybox import busybox_archive
from tests.dockerfiles import CASES, buildah, built_by_buildah, built_by_docker
from tests.engines import RunningEngine, needs, short_folder

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def store() -> Iterator[Path]:
    needs("buildah")
    with short_folder() as folder:
        buildah(folder, "pull", f"docker-archive:{busybox_archive()}")
        yield folder


# All of them, or a sample of them in the everyday run: dockerd is compared with on all.
NAMES = list(CASES) if os.environ.get("RORQUAL_CHAOS") else list(CASES)[::5]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_what_buildah_makes(name: str, store: Path, rorqual_engine: RunningEngine, tmp_path: Path) -> None:
    case = CASES[name]
    folder = case.write(tmp_path / "context")
    theirs = built_by_buildah(store, rorqual_engine.socket, folder, case, "by-buildah")
    ours = built_by_docker(rorqual_engine.socket, folder, case, "like-buildah")
    assert differing(ours.config, theirs.config) + differing(ours.tree, theirs.tree) == list(case.buildah_differs)


def differing(ours: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    return [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
