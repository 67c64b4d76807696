"""`image pull/push/search`, `registry login/logout/ls` and `manifest inspect`, on each engine and without one."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.engines import TEST_REGISTRY, RunningEngine
from tests.registries import ROOT, Registry, running_registry

pytestmark = pytest.mark.root
PORT = int(TEST_REGISTRY.partition(":")[2])


class Shell:
    """Commands in the engine's network namespace, with a config.json of their own."""

    def __init__(self, engine: RunningEngine, folder: Path) -> None:
        self.engine = engine
        self.config = folder / "config.json"
        self._folder = folder

    def __call__(self, *words: str, stdin: str = "", code: int = 0) -> str:
        """What it printed, errors after output."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "RORQUAL_", "COMPOSE_"))}
        path = f"{self._folder}:{kept['PATH']}"
        environment = {**kept, "DOCKER_CONFIG": str(self._folder), "DOCKER_HOST": self.engine.host, "PATH": path}
        inside = ["nsenter", f"--net=/proc/{self.engine.pid}/ns/net", sys.executable, "-m", "engine.cli.main"]
        done = subprocess.run(
            [*inside, *words], input=stdin, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120
        )
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module", params=["docker", "podman", "rorqual"])
def engine(request: pytest.FixtureRequest) -> RunningEngine:
    found: RunningEngine = request.getfixturevalue(f"{request.param}_engine")
    return found


@pytest.fixture(scope="module")
def registry(engine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """It wants a password."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "htpasswd").write_text(f"me:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    flags = (f"--htpasswd={folder / 'htpasswd'}", "--auth=bearer")
    with running_registry(folder / "root", *flags, port=PORT, netns=engine.pid) as found:
        yield found


@pytest.fixture
def shell(engine: RunningEngine, registry: Registry, tmp_path: Path) -> Shell:
    return Shell(engine, tmp_path)


def test_a_user_logs_in_pushes_pulls_looks_around_and_logs_out(shell: Shell) -> None:
    name = f"{TEST_REGISTRY}/mine/{shell.engine.kind}"
    subprocess.run(["docker", f"--host={shell.engine.host}", "tag", shell.engine.image, f"{name}:1"], check=True)
    assert "Login Succeeded" in shell(
        "registry", "login", "-u", "me", "--password-stdin", TEST_REGISTRY, stdin="secret\n"
    )
    packed = base64.b64encode(b"me:secret").decode()
    assert json.loads(shell.config.read_text())["auths"] == {TEST_REGISTRY: {"auth": packed}}
    assert shell.config.stat().st_mode & 0o077 == 0
    shell("image", "push", f"{name}:1")
    assert shell("registry", "ls", TEST_REGISTRY) == f"mine/{shell.engine.kind}\n"
    assert shell("registry", "ls", name) == "1\n"
    document = json.loads(shell("manifest", "inspect", f"{name}:1"))
    assert document["layers"]
    whole = json.loads(shell("manifest", "inspect", "-v", f"{name}:1"))
    assert whole["Manifest"] == document
    assert f"{name}:1\n" == shell("image", "pull", "-q", f"{name}:1")
    assert f"{name}@{whole['Descriptor']['digest']}" in shell(
        "image", "pull", f"{name}@{whole['Descriptor']['digest']}"
    )
    shell("image", "push", "-a", name)
    podman = shell.engine.kind == "podman"
    assert ("can't pull all tags" if podman else name) in shell("image", "pull", "-a", name, code=int(podman))
    assert "Removing login credentials" in shell("registry", "logout", TEST_REGISTRY)
    assert json.loads(shell.config.read_text())["auths"] == {}
    assert "Not logged in" in shell("registry", "logout", TEST_REGISTRY)
    assert "log in with `rorqual registry login" in shell("registry", "ls", TEST_REGISTRY, code=1)


def test_a_wrong_password_is_said_and_not_kept(shell: Shell) -> None:
    shell("registry", "login", "-u", "me", "-p", "wrong", TEST_REGISTRY, code=1)
    assert not shell.config.exists()
    assert "a user and a password are needed" in shell("registry", "login", TEST_REGISTRY, code=1)


def test_a_credential_helper_keeps_what_it_is_named_for(shell: Shell, tmp_path: Path) -> None:
    helper = tmp_path / "docker-credential-note"
    helper.write_text(f"#!/bin/sh\n(echo $1; cat) >> {tmp_path}/noted\n")
    helper.chmod(0o755)
    shell.config.write_text(json.dumps({"credsStore": "note", "other": "kept"}))
    shell("registry", "login", "-u", "me", "-p", "secret", TEST_REGISTRY)
    verb, said = (tmp_path / "noted").read_text().split("\n", 1)
    assert (verb, json.loads(said)["Secret"]) == ("store", "secret")
    assert json.loads(shell.config.read_text()) == {
        "credsStore": "note",
        "other": "kept",
        "auths": {TEST_REGISTRY: {}},
    }
    shell("registry", "logout", TEST_REGISTRY)
    assert (tmp_path / "noted").read_text().endswith(f"erase\n{TEST_REGISTRY}")


def test_what_can_not_be_meant_is_said(shell: Shell) -> None:
    assert "not an image reference" in shell("image", "pull", "Upper", code=1)
    assert "--all-tags" in shell("image", "pull", "-a", "x:1", code=1)
    assert "digest reference" in shell("image", "push", f"x@sha256:{'a' * 64}", code=1)
    assert "want NAME=VALUE" in shell("image", "search", "--filter", "stars", "x", code=1)
    assert "can't be asked" in shell("registry", "ls", "127.0.0.1:1", code=1)
    assert "can't be asked" in shell("manifest", "inspect", "127.0.0.1:1/x", code=1)
