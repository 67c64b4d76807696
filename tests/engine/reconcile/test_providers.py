"""Services that a program of its own provides: Compose's protocol, against a program that keeps a diary."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import anyio
import pytest

from engine.api.errors import EngineError
from engine.plan.steps import RunProvider
from engine.reconcile.apply import StepFailed
from engine.reconcile.providers import run_provider
from tests.engines import RunningEngine
from tests.workshop import Workshop

PROGRAM = f"""#!{sys.executable}
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
if sys.argv[1:3] == ["compose", "metadata"]:
    try:
        print(open(here + "/metadata").read())
    except FileNotFoundError:
        sys.exit(1)
    sys.exit()
with open(here + "/diary", "a") as diary:
    diary.write(json.dumps(sys.argv[1:]) + "\\n")
try:
    says = open(here + "/says").read()
except FileNotFoundError:
    says = ""
sys.stdout.write(says)
sys.stderr.write("a word on stderr\\n")
sys.exit(int(os.environ.get("PROVIDER_CODE", "0")))
"""


@pytest.fixture
def provider(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker-cloud").write_text(PROGRAM)
    (folder / "docker-cloud").chmod(0o755)
    # by this name Docker Compose finds it on PATH
    (folder / "cloud").symlink_to("docker-cloud")
    return folder


def say(folder: Path, *messages: tuple[str, str]) -> None:
    lines = [json.dumps({"type": kind, "message": text}) for kind, text in messages]
    (folder / "says").write_text("\n".join(lines) + "\n")


def diary(folder: Path) -> list[list[str]]:
    path = folder / "diary"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(folder: Path, action: RunProvider, more: Mapping[str, str] | None = None) -> tuple[dict[str, str], list[str]]:
    heard: list[str] = []
    environment = {"PATH": str(folder), "HOME": str(folder), **(more or {})}

    async def go() -> dict[str, str]:
        return await run_provider(action, "shop", environment, say=heard.append)

    return anyio.run(go), heard


OPTIONS = (("size", "big"), ("zone", "a"), ("zone", "b"))


def test_it_is_called_with_the_project_the_options_and_the_service(provider: Path) -> None:
    say(provider, ("info", "making it"), ("setenv", "URL=http://x?a=b"), ("debug", "never mind"))
    assert run(provider, RunProvider("db", "cloud", OPTIONS)) == ({"URL": "http://x?a=b"}, ["making it"])
    words = ["--project-name=shop", "up", "--size=big", "--zone=a", "--zone=b", "db"]
    assert diary(provider) == [["compose", *words]]


def test_who_describes_itself_gets_the_options_that_it_knows_and_is_not_called_without_those_that_it_needs(
    provider: Path,
) -> None:
    known = {"parameters": [{"name": "size", "required": True}]}
    (provider / "metadata").write_text(json.dumps({"description": "a cloud", "up": known}))
    run(provider, RunProvider("db", "cloud", OPTIONS))
    assert diary(provider) == [["compose", "--project-name=shop", "up", "--size=big", "db"]]
    with pytest.raises(StepFailed, match="needs the option size"):
        run(provider, RunProvider("db", "cloud"))
    assert len(diary(provider)) == 1


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([("error", "no money left")], "0", "no money left"),
        ([("info", "x")], "3", r"could not bring up the service \(exit code 3\)"),
        ([("setenv", "no equals sign")], "0", "said what is no message"),
        ([("verse", "x")], "0", "said what is no message"),
    ],
)
def test_what_fails_is_told_in_its_own_words(
    provider: Path, messages: list[tuple[str, str]], code: str, words: str
) -> None:
    say(provider, *messages)
    with pytest.raises(StepFailed, match=words) as caught:
        run(provider, RunProvider("db", "cloud"), {"PROVIDER_CODE": code})
    assert caught.value.evidence == ("a word on stderr",)


def test_output_that_is_no_json_is_told(provider: Path) -> None:
    (provider / "says").write_text("hello\n")
    with pytest.raises(StepFailed, match="said what is no message: hello"):
        run(provider, RunProvider("db", "cloud"))


@pytest.mark.parametrize("type", ["nowhere", "compose", "../cloud", "/bin/true"])
def test_a_program_that_is_not_there_is_told(provider: Path, type: str) -> None:
    with pytest.raises(EngineError, match="provider"):
        run(provider, RunProvider("db", type))


FILE = """
services:
  db: {{provider: {{type: cloud, options: {{size: big}}}}}}
  web: {{image: {image}, command: sleep 1000, init: true, depends_on: [db], environment: {{OWN: "1"}}}}
  other: {{image: {image}, command: sleep 1000, init: true}}
"""


@pytest.fixture
def shop(tmp_path: Path, docker_engine: RunningEngine, provider: Path) -> Iterator[Workshop]:
    import os

    environment = {"PATH": f"{provider}:{os.environ['PATH']}"}
    with Workshop(tmp_path, docker_engine, "providers", environment) as workshop:
        workshop.write(FILE.format(image=docker_engine.image))
        yield workshop


def steps(shop: Workshop) -> list[tuple[str, str]]:
    return [(step["address"], step["action"]) for step in shop.plan()["steps"]]


def environment_of(shop: Workshop, container: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in shop.inspect(container)["Config"]["Env"])


@pytest.mark.root
def test_what_a_provider_sets_is_in_its_dependents_and_replaces_them_when_it_changes(
    shop: Workshop, provider: Path
) -> None:
    say(provider, ("info", "making it"), ("setenv", "URL=one"))
    assert ("service.db", "run") in steps(shop)
    assert diary(provider) == []
    shop.run("up", "-d")
    assert environment_of(shop, "providers-web-1")["DB_URL"] == "one"
    assert "DB_URL" not in environment_of(shop, "providers-other-1")
    assert steps(shop) == [("service.db", "run")]
    shop.run("plan", "--detailed-exitcode")
    before = shop.containers()
    shop.run("up", "-d")
    assert shop.containers() == before
    # Docker Compose finds nothing to change either
    shop.compose("up", "-d")
    assert shop.containers() == before
    # and what Compose made with it is taken over as it is
    shop.compose("up", "-d", "--force-recreate")
    assert steps(shop) == [("service.db", "run")]
    before = shop.containers()
    say(provider, ("setenv", "URL=two"))
    shop.run("up", "-d")
    assert environment_of(shop, "providers-web-1")["DB_URL"] == "two"
    assert shop.containers()["providers-other-1"] == before["providers-other-1"]
    shop.run("down")
    assert diary(provider)[-1] == ["compose", "--project-name=providers", "down", "--size=big", "db"]
    assert shop.containers() == {}


@pytest.mark.root
def test_a_provider_that_fails_leaves_its_dependents_undone(shop: Workshop, provider: Path) -> None:
    say(provider, ("error", "no money left"))
    done = shop.run("up", "-d", code=1)
    assert "no money left" in done.stderr
    assert "providers-web-1" not in shop.containers()
