"""The same Dockerfiles on dockerd's classic builder and on ours: the same trees, modes, owners and configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dockerfiles import CASES, built_by_docker
from tests.engines import RunningEngine

pytestmark = pytest.mark.root


@pytest.mark.parametrize("name", list(CASES))
def test_an_image_is_what_dockerds_builder_makes(
    name: str, docker_engine: RunningEngine, rorqual_engine: RunningEngine, tmp_path: Path
) -> None:
    case = CASES[name]
    folder = case.write(tmp_path / "context")
    theirs = built_by_docker(docker_engine.socket, folder, case, "like-docker")
    ours = built_by_docker(rorqual_engine.socket, folder, case, "like-docker")
    assert ours.config == theirs.config
    assert ours.tree == theirs.tree
