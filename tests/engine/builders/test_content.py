"""One key per content: it moves when a build would come out differently, and stays when nothing of it would."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine.builders.content import content_key
from engine.builders.sources import ArchiveImage, DebianImage, DockerfileBuild, ImageFile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "a").write_text("a")
    return tmp_path


def test_a_debian_key_knows_packages_settings_and_files(folder: Path) -> None:
    image = DebianImage("bookworm", ("b", "a"), files=(ImageFile(folder / "a", "/a"),), env={"X": "1"})
    key = content_key(image)
    assert content_key(replace(image, packages=("a", "b", "a"))) == key
    assert content_key(replace(image, env={"X": "2"})) != key
    assert content_key(replace(image, cmd=("sh",))) != key
    assert content_key(replace(image, files=(ImageFile(folder / "a", "/b"),))) != key
    os.utime(folder / "a", (1, 1))
    assert content_key(image) == key
    (folder / "a").write_text("changed")
    assert content_key(image) != key


def test_a_build_key_knows_the_context_and_what_shapes_the_result(folder: Path) -> None:
    build = DockerfileBuild(str(folder), args={"A": "1"})
    key = content_key(build)
    for other in ({"args": {"A": "2"}}, {"target": "prod"}, {"labels": {"x": "y"}}, {"network": "host"}):
        assert content_key(replace(build, **other)) != key, other
    for same in ({"no_cache": True}, {"pull": True}, {"cache_from": ("x",)}, {"tags": ("t",)}):
        assert content_key(replace(build, **same)) == key, same
    (folder / "a").write_text("changed")
    assert content_key(build) != key


def test_a_build_key_does_not_know_where_the_context_lies(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    assert content_key(DockerfileBuild(str(folder))) == content_key(DockerfileBuild(str(other)))


def test_named_contexts_count_by_what_is_in_them(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    more = tmp_path_factory.mktemp("more")
    (more / "x").write_text("1")
    build = DockerfileBuild(str(folder), additional_contexts={"more": str(more), "base": "docker-image://debian:12"})
    key = content_key(build)
    (more / "x").write_text("2")
    assert content_key(build) != key


def test_a_remote_context_counts_by_its_address() -> None:
    one = DockerfileBuild("https://example.invalid/a.git#main")
    assert content_key(one) != content_key(DockerfileBuild("https://example.invalid/a.git#next"))


def test_an_archive_key_knows_the_bytes_and_the_choice(folder: Path) -> None:
    key = content_key(ArchiveImage(folder / "a"))
    assert content_key(ArchiveImage(folder / "a", "x")) != key
    (folder / "a").write_text("b")
    assert content_key(ArchiveImage(folder / "a")) != key
