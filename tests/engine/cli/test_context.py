"""`rorqual context` and the docker command read and write one store."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.cli.main import run

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for variable in ("RORQUAL_HOST", "DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def created(name: str = "prod", *more: str) -> None:
    assert run(["context", "create", name, "--docker", "host=tcp://far:2376", *more]) == 0


def test_a_created_context_is_listed_with_what_was_said(capsys: Output) -> None:
    created("prod", "--description", "the real one")
    capsys.readouterr()
    assert run(["context", "ls", "--format", "{{.Name}} {{.Description}} {{.DockerEndpoint}} {{.Current}}"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "prod the real one tcp://far:2376 false"


def test_the_used_one_is_current_until_the_environment_says_otherwise(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    created()
    assert run(["context", "use", "prod"]) == 0
    capsys.readouterr()
    assert run(["context", "show"]) == 0
    assert capsys.readouterr().out == "prod\n"
    monkeypatch.setenv("DOCKER_HOST", "unix:///x")
    assert run(["context", "show"]) == 0
    assert capsys.readouterr().out == "default\n"
    assert run(["context", "use", "prod"]) == 0
    assert "DOCKER_HOST is set" in capsys.readouterr().err


def test_pem_files_are_copied_in_and_named_by_inspect(folder: Path, capsys: Output) -> None:
    (folder / "some-ca").write_text("CA")
    assert run(["context", "create", "prod", "--docker", f"host=tcp://far:2376,ca={folder / 'some-ca'}"]) == 0
    (folder / "some-ca").unlink()
    capsys.readouterr()
    assert run(["context", "inspect", "prod"]) == 0
    found = json.loads(capsys.readouterr().out)[0]
    assert found["TLSMaterial"] == {"docker": ["ca.pem"]}
    assert (Path(found["Storage"]["TLSPath"]) / "docker" / "ca.pem").read_text() == "CA"


def test_a_copy_has_the_engine_and_the_files_of_its_origin(folder: Path, capsys: Output) -> None:
    (folder / "k").write_text("KEY")
    assert run(["context", "create", "one", "--docker", f"host=tcp://far:1,key={folder / 'k'}"]) == 0
    assert run(["context", "create", "two", "--from", "one"]) == 0
    capsys.readouterr()
    assert run(["context", "inspect", "two", "--format", "{{.Endpoints.docker.Host}} {{json .TLSMaterial}}"]) == 0
    assert capsys.readouterr().out == 'tcp://far:1 {"docker":["key.pem"]}\n'


def test_the_current_one_is_removed_only_by_force_and_is_then_no_longer_current(capsys: Output) -> None:
    created()
    run(["context", "use", "prod"])
    assert run(["context", "rm", "prod"]) == 1
    assert "in use" in capsys.readouterr().err
    assert run(["context", "rm", "-f", "prod"]) == 0
    capsys.readouterr()
    assert run(["context", "show"]) == 0
    assert capsys.readouterr().out == "default\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["use", "nope"], 'context "nope" not found'),
        (["rm", "default"], "cannot be removed"),
        (["inspect", "nope"], 'context "nope" not found'),
        (["create", "a!", "--docker", "host=unix:///x"], "is invalid"),
        (["create", "ok", "--docker", "host=http://x"], "no address of an engine"),
        (["create", "ok", "--docker", "xx=1"], '"xx=1"'),
        (["create", "ok", "--docker", "host=tcp://h,ca=/no/such/file"], "/no/such/file"),
        (["create", "ok", "--docker", "host=tcp://h,skip-tls-verify=maybe"], "maybe"),
        (["create", "ok", "--docker", "ca=/x"], "say where the engine is"),
    ],
)
def test_what_can_not_be_done_is_said_and_nothing_is_written(
    words: list[str], complaint: str, folder: Path, capsys: Output
) -> None:
    assert run(["context", *words]) == 1
    assert complaint in capsys.readouterr().err
    assert not (folder / "contexts").exists()


def test_a_name_is_not_given_twice(capsys: Output) -> None:
    created()
    assert run(["context", "create", "prod", "--docker", "host=unix:///x"]) == 1
    assert "already exists" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command")
def test_the_docker_command_sees_ours_and_we_see_its_own(capsys: Output) -> None:
    created("ours", "--description", "made here")
    docker("context", "create", "theirs", "--docker", "host=ssh://me@far")
    seen = docker("context", "inspect", "ours")
    capsys.readouterr()
    assert run(["context", "inspect", "ours"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(seen)
    assert run(["context", "use", "theirs"]) == 0
    capsys.readouterr()
    assert docker("context", "show") == "theirs\n"
    assert run(["context", "ls", "-q"]) == 0
    assert capsys.readouterr().out.split() == ["default", "ours", "theirs"]


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout
