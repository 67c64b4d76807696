"""The pipelines of docs/ci.md, their shell steps run as they stand there.

Only what belongs to the git hosts is stood in for (pipx, gh, the artifacts' server), and `ssh` is a shell here.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.engines import RunningEngine
from tests.workshop import RORQUAL, Workshop

PAGE = Path(__file__).parents[2] / "docs" / "ci.md"
STAND_INS = {
    "pipx": "exit 0",
    "pip": "exit 0",
    "gh": 'echo "$@" >> "$TOLD"; cat "${@: -1}" >> "$TOLD"',
    "ssh": 'exec bash -ec "${2//\\/srv\\/shop/$SHOP}"',
    "curl": 'while [ "$1" != --output ]; do shift; done; cp "$ARTIFACT" "$2"',
}


def pipelines() -> dict[str, Any]:
    """Each ready file of the page by the heading that it stands under."""
    text = PAGE.read_text()
    found = re.findall(r"^## (.+?)\n.*?```yaml\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    return {title: YAML(typ="base", pure=True).load(body) for title, body in found}


def steps(job: Any) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.fixture
def shop(tmp_path: Path, docker_engine: RunningEngine) -> Iterator[Workshop]:
    """A clone on "the host", of a bare repository that the pipelines push to."""
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    for name, body in STAND_INS.items():
        (stand_ins / name).write_text(f"#!/bin/bash\n{body}\n")
        (stand_ins / name).chmod(0o755)
    host, work, origin = (tmp_path / name for name in ("host", "work", "origin.git"))
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(origin))
    git(tmp_path, "clone", "-q", str(origin), str(work))
    environment = {
        "PATH": f"{stand_ins}:{Path(RORQUAL).parent}:{os.environ['PATH']}",
        "RORQUAL_STATE": str(tmp_path / "state"),
        "SHOP": str(host),
        "TOLD": str(tmp_path / "told"),
        "ARTIFACT": str(tmp_path / "release.json"),
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "DEPLOY_HOST": "deploy@host",
        "PULL_REQUEST": "7",
        "CI_JOB_TOKEN": "t",
        "CI_API_V4_URL": "http://nowhere",
        "CI_PROJECT_ID": "1",
        "CI_DEFAULT_BRANCH": "main",
    }
    with Workshop(work, docker_engine, "cipage", environment) as found:
        web = "{image: IMAGE, command: sleep 1000, init: true, stop_grace_period: 0s, environment: {MODE: dev}}"
        found.write(f"name: cipage\nservices:\n  web: {web}\n".replace("IMAGE", docker_engine.image))
        commit(found, "First")
        git(tmp_path, "clone", "-q", str(origin), str(host))
        yield found


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=ann", "-c", "user.email=ann@localhost"]
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def commit(shop: Workshop, message: str) -> None:
    git(shop.folder, "add", "compose.yaml")
    git(shop.folder, "commit", "-qm", message)
    git(shop.folder, "push", "-q", "origin", "HEAD:main")


def run(shop: Workshop, scripts: list[str], **more: str) -> str:
    """Each as a runner runs it: `bash -e` in the checkout."""
    told = ""
    for script in scripts:
        set_here = [f"{name}={value}" for name, value in more.items()]
        done = shop.call(["env", *set_here, "bash", "-e", "-o", "pipefail", "-c", script], 120)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        told += done.stdout
    return told


@pytest.mark.root
def test_the_github_workflow_deploys_and_then_tells_a_pull_request_what_it_changes(
    shop: Workshop, tmp_path: Path
) -> None:
    jobs = pipelines()["GitHub Actions"]["jobs"]
    run(shop, steps(jobs["deploy"]))
    assert len(shop.containers()) == 1
    shop.write((shop.folder / "compose.yaml").read_text().replace("MODE: dev", "MODE: prod"))
    run(shop, steps(jobs["plan"]), DOCKER_HOST="unix:///nowhere")
    told, summary = (tmp_path / "told").read_text(), (tmp_path / "summary").read_text()
    assert told.startswith("pr comment 7 --body-file") and 'environment.MODE: "dev" → "prod"' in told
    assert summary.startswith("### Plan for `cipage`")


@pytest.mark.root
def test_the_gitlab_pipeline_deploys_and_plans_against_its_artifact(shop: Workshop) -> None:
    jobs = pipelines()["GitLab CI"]
    run(shop, [*jobs["default"]["before_script"], *jobs["deploy"]["script"]])
    assert len(shop.containers()) == 1
    (shop.folder / "release.json").rename(shop.environment["ARTIFACT"])
    shop.write((shop.folder / "compose.yaml").read_text().replace("MODE: dev", "MODE: prod"))
    told = run(shop, [*jobs["default"]["before_script"], *jobs["plan"]["script"]], DOCKER_HOST="unix:///nowhere")
    assert 'environment.MODE: "dev" → "prod"' in told and (shop.folder / "plan.md").read_text() in told


def test_the_pre_commit_hook_finds_what_is_wrong_and_runs_for_compose_files(tmp_path: Path) -> None:
    (hook,) = pipelines()["pre-commit"]["repos"][0]["hooks"]
    assert all(re.search(hook["files"], f) for f in ("compose.yaml", "a/docker-compose.prod.yml"))
    assert not re.search(hook["files"], "decompose.yaml")
    environment = {**os.environ, "PATH": f"{Path(RORQUAL).parent}:{os.environ['PATH']}"}
    for text, code in (("services: {web: {image: a}}", 0), ("services: {web: {imge: a}}", 1)):
        (tmp_path / "compose.yaml").write_text(text)
        done = subprocess.run(hook["entry"].split(), cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
