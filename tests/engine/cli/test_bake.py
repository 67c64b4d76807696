"""`build --print`: what `docker buildx bake` is told, against what Docker Compose prints."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.engines import RunningEngine
from tests.workshop import RORQUAL, compose_binary

FILE = """
name: baked
services:
  web:
    image: shop/web:1
    build:
      context: ./app
      dockerfile: docker/Dockerfile.prod
      target: prod
      args: {MODE: release, DOLLAR: "$${X}"}
      labels: {a: b}
      cache_from: [type=local,src=./c]
      cache_to: [type=inline]
      network: host
      shm_size: 64m
      ulimits: {nofile: 5, nproc: {soft: 1, hard: 2}}
      extra_hosts: [h=1.2.3.4, h=::1]
      additional_contexts: {base: "service:base.image", res: ./res}
      platforms: [linux/amd64]
      tags: [x:1]
      secrets: [token, {source: key, target: k}]
      entitlements: [network.host]
      privileged: true
      no_cache: true
      pull: true
  base.image:
    build:
      context: .
      dockerfile_inline: "FROM scratch\\nARG A=${UNSET:-$${B}}\\n"
      platforms: [linux/amd64, linux/arm64]
  plain: {image: busybox}
secrets:
  token: {file: ./token.txt}
  key: {environment: KEY}
"""
# The plugin that Docker Compose wants to see before it bakes.
PLUGIN = """#!/bin/sh
echo '{"SchemaVersion": "0.1.0", "Vendor": "test", "Version": "v0.20.0", "ShortDescription": "buildx"}'
"""


def printed(folder: Path, command: list[str], environment: dict[str, str] | None = None) -> Any:
    done = subprocess.run(
        [*command, "build", "--print"],
        cwd=folder,
        env={**os.environ, "KEY": "k", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(FILE)
    (tmp_path / "token.txt").write_text("t")
    (tmp_path / "app" / "docker").mkdir(parents=True)
    return tmp_path


@pytest.mark.root
def test_it_is_what_docker_compose_prints(folder: Path, docker_engine: RunningEngine) -> None:
    plugins = folder / "config" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").write_text(PLUGIN)
    (plugins / "docker-buildx").chmod(0o755)
    environment = {"DOCKER_HOST": docker_engine.host, "DOCKER_CONFIG": str(folder / "config"), "DOCKER_BUILDKIT": "1"}
    ours, theirs = printed(folder, [RORQUAL]), printed(folder, [compose_binary()], environment)
    for document in (ours, theirs):
        # Compose's own order is by chance
        document["group"]["default"]["targets"].sort()
        document["target"]["web"]["ulimits"].sort()
    assert ours == theirs


def test_entries_of_images_are_targets_too_and_what_bake_cant_build_is_a_reference(folder: Path) -> None:
    (folder / "compose.yaml").write_text("""
name: baked
images:
  base: {debian: {suite: bookworm, packages: [busybox]}}
  mid: {build: {context: ., dockerfile_inline: "FROM base"}, tags: [mid:1]}
  unused: {build: .}
services:
  web: {image: mid}
  own: {build: {context: ./app, dockerfile_inline: "FROM mid"}}
""")
    found = printed(folder, [RORQUAL])
    assert found["group"]["default"]["targets"] == ["own", "image_mid"]
    assert set(found["target"]) == {"own", "image_mid"}
    assert found["target"]["image_mid"]["contexts"] == {"base": "docker-image://baked-base:latest"}
    assert found["target"]["own"]["contexts"] == {"mid": "target:image_mid"}
