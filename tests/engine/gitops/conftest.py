"""What tests of sources begin with: a repository, and the agent's places for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.gitops.places import Places
from tests.engine.gitops.repository import Repository, make_repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "r")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path / "state")
    found.prepare()
    return found
