"""Dockerfiles grown from seeds, on dockerd's classic builder and on ours: both fail, or both make the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.dockerfiles import Image, docker, shown
from tests.engines import RunningEngine
from tests.grown_dockerfiles import grown

pytestmark = pytest.mark.root

SEEDS = range(200) if os.environ.get("RORQUAL_CHAOS") else range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_dockerd_makes_is_made(
    seed: int, docker_engine: RunningEngine, rorqual_engine: RunningEngine, tmp_path: Path
) -> None:
    case = grown(seed)
    folder = case.write(tmp_path / "context")
    theirs, ours = (tried(engine.socket, folder, case.flags) for engine in (docker_engine, rorqual_engine))
    if isinstance(theirs, str) or isinstance(ours, str):
        assert isinstance(theirs, str) and isinstance(ours, str), (case.text, theirs, ours)
        return
    assert ours.config == theirs.config, case.text
    assert ours.tree == theirs.tree, case.text


def tried(socket: Path, folder: Path, flags: tuple[str, ...]) -> Image | str:
    """The image, or what the build said at its end."""
    done = docker(socket, "build", "-q", "-t", "grown", *flags, str(folder), check=False)
    if done.returncode:
        return done.stderr.decode()[-500:]
    try:
        return shown(socket, "grown")
    finally:
        docker(socket, "rmi", "-f", "grown", check=False)
