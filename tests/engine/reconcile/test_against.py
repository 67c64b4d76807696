"""Planning against an exported release: what a pull request changes, without a way to the host."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines import RunningEngine
from tests.workshop import Workshop

pytestmark = pytest.mark.root

SPEC = """
services:
  web:
    image: {image}
    command: [sh, -c, "echo ${{DB_PASSWORD}}; exec sleep 1000"]
    init: true
    stop_grace_period: 0s
    scale: 2
    environment: {{DB_PASSWORD: "${{DB_PASSWORD:-}}", MODE: dev}}
    configs: [{{source: app, target: /etc/app.conf}}]
    secrets: [key, word]
    volumes: ["./site.conf:/site.conf:ro", "data:/data"]
    healthcheck: {{test: [CMD, "true"], interval: 1s}}
    networks: {{front: {{aliases: [www]}}}}
    security_opt: ["seccomp:./seccomp.json"]
    mem_limit: 64m
  job: {{image: {image}, command: "true", depends_on: {{web: {{condition: service_healthy}}}}, networks: [front]}}
networks: {{front: {{labels: {{a: b}}}}}}
volumes: {{data: {{labels: {{keep: "yes"}}}}}}
configs: {{app: {{file: ./app.conf}}}}
secrets: {{key: {{file: ./key}}, word: {{environment: WORD}}}}
"""


@pytest.fixture
def shop(tmp_path: Path, docker_engine: RunningEngine, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    folder = tmp_path / "host"
    folder.mkdir()
    for file, text in (("app.conf", "a = 1\n"), ("key", "correct horse\n"), ("site.conf", "s\n")):
        (folder / file).write_text(text)
    (folder / "seccomp.json").write_text('{"defaultAction": "SCMP_ACT_ALLOW"}\n')
    secrets = {"RORQUAL_STATE": str(tmp_path / "state"), "DB_PASSWORD": "hunter22", "WORD": "planted-word"}
    name = f"a{abs(hash(request.node.name)) % 10**8}"
    with Workshop(folder, docker_engine, name, secrets) as found:
        found.write(SPEC.format(image=docker_engine.image))
        yield found


def test_a_pull_request_is_planned_from_a_release_elsewhere_without_secrets(shop: Workshop, tmp_path: Path) -> None:
    shop.run("up", "-d")
    exported = shop.run("show", "1", "--format", "json").stdout
    assert "hunter22" not in exported and "planted-word" not in exported
    (tmp_path / "release.json").write_text(exported)
    shutil.copytree(shop.folder, tmp_path / "checkout")
    (tmp_path / "checkout" / "key").write_text("no secret of the host's\n")
    elsewhere = {"RORQUAL_STATE": str(tmp_path / "ci"), "DOCKER_HOST": "unix:///nowhere", "DB_PASSWORD": "", "WORD": ""}
    request = Workshop(tmp_path / "checkout", shop.engine, shop.name, elsewhere)

    def plan(*words: str) -> dict[str, Any]:
        done = request.run("plan", "--against", "../release.json", "--format", "json", *words)
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    same = plan()
    assert same["steps"] == []
    (note,) = same["warnings"]
    assert note["code"] == "not-compared" and "services.web.environment.DB_PASSWORD" in note["message"]
    text = (request.folder / "compose.yaml").read_text()
    request.write(text.replace("MODE: dev", "MODE: prod").replace("scale: 2", "scale: 3").replace("64m", "96m"))
    (request.folder / "app.conf").write_text("a = 2\n")
    steps = plan()["steps"]
    fields = {f["path"]: (f["old"], f["new"]) for s in steps if s["address"] == "service.web.1" for f in s["fields"]}
    assert fields.keys() == {"content./etc/app.conf", "environment.MODE", "mem_limit"}
    assert fields["environment.MODE"] == ("dev", "prod")
    assert [s["action"] for s in steps if s["address"] == "service.web.3"] == ["create"]
    told = request.run("plan", "--against", "../release.json", "--format", "markdown", "--detailed-exitcode", code=2)
    assert told.stdout.startswith(f"### Plan for `{shop.name}`")
    (request.folder / "app.conf").write_text("a = 1\n")
    request.write(text.replace("64m", "80m"))
    assert [s["action"] for s in plan()["steps"]] == ["update", "update"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "this is no exported release"),
        ("nonsense", "is no JSON"),
        ('{"format": "rorqual-release"}', "another version"),
    ],
)
def test_a_file_that_is_no_release_is_told(shop: Workshop, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "release.json").write_text(content)
    assert said in shop.run("plan", "--against", "../release.json", code=1).stderr


def test_a_pull_request_is_planned_where_the_variable_of_a_secret_is_not_set(shop: Workshop, tmp_path: Path) -> None:
    shop.run("up", "-d")
    (tmp_path / "release.json").write_text(shop.run("show", "1", "--format", "json").stdout)
    shutil.copytree(shop.folder, tmp_path / "checkout")
    elsewhere = {"RORQUAL_STATE": str(tmp_path / "ci"), "DOCKER_HOST": "unix:///nowhere", "DB_PASSWORD": ""}
    request = Workshop(tmp_path / "checkout", shop.engine, shop.name, elsewhere)

    def changed() -> dict[str, list[str]]:
        done = request.run("plan", "--against", "../release.json", "--format", "json")
        return {s["address"]: [f["path"] for f in s["fields"]] for s in json.loads(done.stdout)["steps"]}

    assert changed() == {}
    text = (request.folder / "compose.yaml").read_text()
    request.write(text.replace("MODE: dev", "MODE: prod").replace("scale: 2", "scale: 3"))
    assert changed() == {
        "service.web.1": ["environment.MODE"],
        "service.web.2": ["environment.MODE"],
        "service.web.3": [],
    }
