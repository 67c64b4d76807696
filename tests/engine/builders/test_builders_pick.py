"""What each way to build is asked for: the words for buildx, the refusals and warnings of the engine's own builder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.builders.buildx import command
from engine.builders.engine_build import caches_of, refuse_what_needs_buildkit, warnings_of
from engine.builders.progress import BuildLine, Listener
from engine.builders.sources import BuildSecret, DockerfileBuild, Ulimit
from engine.client.errors import NotImplementedByEngine

WHOLE = DockerfileBuild(
    "/ctx",
    dockerfile="prod/Dockerfile",
    args={"A": "1", "FROM_ENVIRONMENT": None},
    labels={"l": "v"},
    target="prod",
    cache_from=("type=gha", "image:cache"),
    cache_to=("type=local,dest=/c",),
    extra_hosts=("h:1.2.3.4",),
    network="host",
    shm_size=1024,
    ulimits=(Ulimit("nofile", 10, 20),),
    no_cache=True,
    no_cache_filter=("stage",),
    pull=True,
    platforms=("linux/amd64", "linux/arm64"),
    privileged=True,
    secrets=(BuildSecret("s", file=Path("/s")), BuildSecret("e", environment="E")),
    ssh=("default",),
    additional_contexts={"base": "docker-image://debian:12"},
    entitlements=("network.host",),
    sbom="true",
    provenance="mode=max",
)


def words(build: DockerfileBuild) -> list[str]:
    return command(
        build, ["t:1", "t:2"], {"k": "v"}, id_file="/id", fresh=False, no_cache=False, platform="linux/s390x"
    )


def test_every_key_of_the_build_object_has_its_flag() -> None:
    assert words(WHOLE) == [
        "buildx",
        "build",
        "--progress=plain",
        "--load",
        "--iidfile=/id",
        "--tag=t:1",
        "--tag=t:2",
        "--build-arg=A=1",
        "--build-arg=FROM_ENVIRONMENT",
        "--label=l=v",
        "--label=k=v",
        "--file=/ctx/prod/Dockerfile",
        "--target=prod",
        "--cache-from=type=gha",
        "--cache-from=image:cache",
        "--cache-to=type=local,dest=/c",
        "--add-host=h:1.2.3.4",
        "--network=host",
        "--shm-size=1024",
        "--ulimit=nofile=10:20",
        "--no-cache-filter=stage",
        "--platform=linux/amd64,linux/arm64",
        "--secret=id=s,src=/s",
        "--secret=id=e,env=E",
        "--ssh=default",
        "--build-context=base=docker-image://debian:12",
        "--allow=network.host",
        "--allow=security.insecure",
        "--sbom=true",
        "--provenance=mode=max",
        "--no-cache",
        "--pull",
        "/ctx",
    ]


def test_a_plain_build_asks_for_nothing_more_than_it_needs() -> None:
    plain = [word for word in words(DockerfileBuild("/ctx")) if not word.startswith(("--tag", "--label"))]
    assert plain == ["buildx", "build", "--progress=plain", "--load", "--iidfile=/id", "--platform=linux/s390x", "/ctx"]


def test_an_inline_dockerfile_goes_by_standard_input_and_a_remote_one_by_its_own_name() -> None:
    assert "--file=-" in words(DockerfileBuild("/ctx", dockerfile_inline="FROM scratch"))
    assert "--file=d/Dockerfile" in words(DockerfileBuild("https://example.invalid/a.git", dockerfile="d/Dockerfile"))


def test_the_engines_builder_refuses_by_name_what_would_make_another_image() -> None:
    with pytest.raises(NotImplementedByEngine) as refused:
        refuse_what_needs_buildkit(replace(WHOLE, additional_contexts={"base": "docker-image://a", "here": "/ctx"}))
    for key in ("additional_contexts", "secrets", "ssh", "privileged", "entitlements", "platforms"):
        assert f"build.{key} " in refused.value.message
    assert "additional_contexts (here: only images can be taken)" in refused.value.message
    assert "install the docker buildx plugin" in refused.value.message
    refuse_what_needs_buildkit(DockerfileBuild("/ctx", args={"A": "1"}, target="x", ulimits=(Ulimit("core", 0, 0),)))


def test_the_engines_builder_warns_of_what_it_leaves_out() -> None:
    warned = "\n".join(warnings_of(WHOLE))
    for key in ("cache_to", "no_cache_filter", "sbom", "provenance", 'cache_from: "type=gha"'):
        assert f"build.{key}" in warned
    assert warnings_of(DockerfileBuild("/ctx", cache_from=("a:1", "type=registry,ref=b:2"))) == ()
    targets = ("type=registry,ref=b:2,mode=max", "c:3", "type=gha")
    build = DockerfileBuild("/ctx", cache_from=("a:1", "type=registry,ref=b:2", "type=gha"), cache_to=targets)
    assert caches_of(build, shared=False) == {"cachefrom": ["a:1", "b:2"]}
    shared = {"cachefrom": ["a:1"], "cacheimport": ["b:2"], "cacheexport": ["b:2,mode=max", "c:3"]}
    assert caches_of(build, shared=True) == shared
    left_out = [text.split('"')[1] for text in warnings_of(build, caches=True)]
    assert left_out == ["type=gha", "type=gha"]
    assert len(warnings_of(build)) == 4


def test_output_is_heard_line_by_line_without_colour_and_its_end_is_kept() -> None:
    heard: list[BuildLine] = []
    listener = Listener(heard.append)
    for piece in ("Step 1/2 : FR", "OM x\n\x1b[91mwar", "ning\x1b[0m\n", "10%\r20%\r100%\n", "last"):
        listener.text(piece)
    listener.end()
    assert [line.text for line in heard] == ["Step 1/2 : FROM x", "warning", "100%", "last"]
    assert listener.told("it failed") == "it failed\n  Step 1/2 : FROM x\n  warning\n  100%\n  last"


def test_a_named_builder_stands_before_the_verb() -> None:
    assert words(DockerfileBuild("/ctx", builder="big"))[:3] == ["buildx", "--builder=big", "build"]
