"""`build --check`: BuildKit's checks of the services' Dockerfiles, without an engine; and flags that mean nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FILE = """
services:
  old: {build: .}
  new: {build: {context: ., dockerfile_inline: "FROM scratch"}}
"""
DOCKERFILE = "FROM scratch\nMAINTAINER me\n"


def build(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "compose.yaml").write_text(FILE)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    command = [sys.executable, "-m", "engine.cli.main", "build", *words]
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "DOCKER_HOST": f"unix://{folder}/none"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_a_finding_is_told_at_its_line_and_fails_the_command(tmp_path: Path) -> None:
    done = build(tmp_path, "--check")
    assert done.returncode == 1
    assert "Dockerfile:2:1: warning[dockerfile-maintainer-deprecated]" in done.stdout


def test_only_the_named_services_are_checked(tmp_path: Path) -> None:
    done = build(tmp_path, "--check", "new")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("size", ["zz", "64x", "-1"])
def test_a_size_that_is_none_is_a_usage_error(tmp_path: Path, size: str) -> None:
    done = build(tmp_path, f"--memory={size}")
    assert done.returncode == 64
    assert "--memory takes a size" in done.stderr
