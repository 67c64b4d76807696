"""Dockerfiles within a project: validate tells their faults, the graph and the plan know what they build on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.api.capabilities import Capabilities
from engine.cli.imageplans import ImagePlan
from engine.cli.main import run
from engine.graph.dockerfiles import image_bases
from engine.plan.draft import Draft
from engine.plan.images import plan_images
from engine.plan.observed import EngineIdentity, Observed
from engine.plan.options import PlanOptions
from engine.plan.steps import BuildImage, PushImage
from specs.load import Request, load
from specs.models import Project

NOTHING_THERE = Observed(EngineIdentity("", "", "1.41"), Capabilities.__new__(Capabilities))
PROJECT = """
services:
  web: {build: ./web}
  api: {image: api}
x-rorqual:
  images:
    base: {build: ./base}
    api: {build: ./api}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_text(PROJECT)
    for name, text in {
        "base": "FROM debian\n",
        "api": "FROM base\nCOPY --from=busybox /x /x\n",
        "web": "ARG B=base\nFROM $B\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
    return tmp_path


def project(here: Path) -> Project:
    loaded = load(Request(str(here)))
    assert loaded.project is not None
    return loaded.project


def test_validate_tells_a_dockerfiles_faults_with_their_place(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate"]) == 0
    (here / "web" / "Dockerfile").write_text("FROM base\nRUNN x\nCMD y\n")
    assert run(["validate"]) == 1
    out = capsys.readouterr().out
    assert "web/Dockerfile:2:1: error[dockerfile-unknown-instruction]: unknown instruction: RUNN" in out
    assert "did you mean RUN?" in out


def test_validate_warns_of_what_the_build_checks_find(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "web" / "Dockerfile").write_text("FROM base\nMAINTAINER me\n")
    assert run(["validate", "--fail-on", "warning"]) == 1
    assert "web/Dockerfile:2:1: warning[dockerfile-maintainer-deprecated]" in capsys.readouterr().out


def test_validate_knows_the_stages_of_an_inline_dockerfile(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "services: {a: {build: {context: ., target: prod, dockerfile_inline: 'FROM x AS prd'}}}"
    (here / "compose.yaml").write_text(text)
    assert run(["validate"]) == 1
    assert "<services.a.build.dockerfile_inline>:1:1: error[dockerfile-target]" in capsys.readouterr().out


def test_the_graph_has_an_edge_for_every_from_that_names_an_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["graph", "--format", "json"]) == 0
    edges = json.loads(capsys.readouterr().out)["edges"]
    assert {tuple(edge.values())[:2] for edge in edges if "FROM" in edge.values()} == {
        ("image.api", "image.base"),
        ("image.web", "image.base"),
    }


def test_images_are_built_after_those_they_are_made_on(here: Path) -> None:
    draft = Draft()
    plan_images(
        draft, project(here), ["web", "api"], NOTHING_THERE, PlanOptions(image_bases=image_bases(project(here)))
    )
    steps = {step.action.name: step for step in draft.steps if isinstance(step.action, BuildImage)}
    assert list(steps) == ["base", "web", "api"]
    assert steps["web"].needs == steps["api"].needs == {steps["base"].id}


def test_a_service_is_built_after_the_services_it_takes_from(here: Path) -> None:
    (here / "compose.yaml").write_text(
        "services:\n  app: {build: {context: web, additional_contexts: {base: 'service:lib'}}}\n  lib: {build: base}\n"
    )
    draft, found = Draft(), project(here)
    plan_images(draft, found, ["app", "lib"], NOTHING_THERE, PlanOptions(image_bases=image_bases(found)))
    steps = {step.action.name: step for step in draft.steps if isinstance(step.action, BuildImage)}
    assert list(steps) == ["lib", "app"]
    assert steps["app"].needs == {steps["lib"].id}


def test_what_is_built_on_a_renewed_image_is_built_again(here: Path) -> None:
    found = project(here)
    there: dict[str, dict[str, Any]] = {f"{found.name}-web": {}, f"{found.name}-api:latest": {}}
    keys = {"base": "new", "api": "same"}
    there[f"{found.name}-base:latest"] = {"Config": {"Labels": {"io.rorqual.content": "old"}}}
    draft = Draft()
    observed = NOTHING_THERE._replace(images=there)
    plan_images(draft, found, ["web", "api"], observed, PlanOptions(image_bases=image_bases(found), image_keys=keys))
    reasons = {step.action.name: step.because for step in draft.steps if isinstance(step.action, BuildImage)}
    assert reasons == {
        "base": "what it is made from has changed",
        "web": "image base, which it is made on, is renewed",
        "api": "image base, which it is made on, is renewed",
    }


def test_an_image_is_pushed_after_its_build_and_where_a_push_of_it_failed(here: Path) -> None:
    (here / "compose.yaml").write_text(
        "images: {app: {build: base, push: true, tags: ['r.example/app:1', 'r.example/app:2', 'other.example/app']}}\n"
        "services: {web: {image: app}}\n"
    )
    found = project(here)
    for present, expected in (
        (None, ["r.example/app:1", "r.example/app:2", "other.example/app"]),
        ({"RepoDigests": ["r.example/app@sha256:" + "7" * 64]}, ["other.example/app"]),
        ({"RepoDigests": ["r.example/app@sha256:1", "other.example/app@sha256:1"]}, []),
    ):
        draft, there = Draft(), NOTHING_THERE._replace(images={"r.example/app:1": present})
        plan_images(draft, found, ["web"], there, PlanOptions())
        assert [s.action.reference for s in draft.steps if isinstance(s.action, PushImage)] == expected
    # neither there nor built: nothing can be pushed
    draft = Draft()
    plan_images(draft, found, ["web"], NOTHING_THERE, PlanOptions(build=False))
    assert draft.steps == []
    plan = ImagePlan(found, NOTHING_THERE)
    plan.build_service("web")
    assert [s.word for s in plan.finished().steps] == ["build", "push", "push", "push"]
