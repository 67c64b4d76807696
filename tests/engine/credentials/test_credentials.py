"""Docker's config.json, its helpers and its contexts are read and written as Docker does it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.credentials.config import HUB, ConfigFile, CredentialsFault, header, registry_of
from engine.credentials.contexts import Context, ContextStore, pem_files, valid_name

Write = Callable[[Mapping[str, Any]], Mapping[str, str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(content: Mapping[str, Any]) -> Mapping[str, str]:
        (tmp_path / "config.json").write_text(json.dumps(content))
        return {"DOCKER_CONFIG": str(tmp_path), "HOME": "/nowhere"}

    return make


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper named `test`, a real program on PATH."""
    program = tmp_path / "bin" / "docker-credential-test"
    program.parent.mkdir()
    program.write_text(
        """#!/bin/sh
read server
case "$1 $server" in
  "get reg.example:5000") echo '{"ServerURL":"reg.example:5000","Username":"u","Secret":"s"}';;
  "get token.example") echo '{"ServerURL":"token.example","Username":"<token>","Secret":"t"}';;
  "get broken.example") echo 'the keyring is locked'; exit 1;;
  list*) echo '{"reg.example:5000":"u","broken.example":"x"}';;
  *) echo 'credentials not found in native keychain'; exit 1;;
esac
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("redis", "docker.io"),
        ("library/redis:7", "docker.io"),
        ("reg.example/a/b", "reg.example"),
        ("localhost/a", "localhost"),
        ("host:5000/a@sha256:00", "host:5000"),
    ],
)
def test_the_registry_is_read_off_the_reference(reference: str, host: str) -> None:
    assert registry_of(reference) == host


@pytest.mark.anyio
async def test_the_files_own_credentials_are_found_by_host(write: Write) -> None:
    environment = write(
        {"auths": {HUB: {"auth": packed("me:pass:word")}, "https://reg.example/v1/": {"auth": packed("a:b")}}}
    )
    config = ConfigFile.read(environment)
    assert await config.auth_for("redis") == {"username": "me", "password": "pass:word", "serveraddress": HUB}
    assert await config.auth_for("reg.example/x") == {"username": "a", "password": "b", "serveraddress": "reg.example"}
    assert await config.auth_for("other.example/x") is None


@pytest.mark.anyio
async def test_a_helper_is_asked_before_the_file(write: Write, helper: Path) -> None:
    environment = write(
        {"credHelpers": {"reg.example:5000": "test"}, "auths": {"reg.example:5000": {"auth": packed("old:old")}}}
    )
    assert await ConfigFile.read(environment).auth_for("reg.example:5000/x") == {
        "username": "u",
        "password": "s",
        "serveraddress": "reg.example:5000",
    }


@pytest.mark.anyio
async def test_a_store_may_know_a_token_or_nothing(write: Write, helper: Path) -> None:
    config = ConfigFile.read(write({"credsStore": "test"}))
    assert await config.auth_for("token.example/x") == {"identitytoken": "t", "serveraddress": "token.example"}
    assert await config.auth_for("unknown.example/x") is None


@pytest.mark.anyio
async def test_a_failing_helper_is_named_with_its_words(write: Write, helper: Path) -> None:
    config = ConfigFile.read(write({"credsStore": "test"}))
    with pytest.raises(CredentialsFault, match=r"docker-credential-test.*the keyring is locked"):
        await config.auth_for("broken.example/x")


@pytest.mark.anyio
async def test_a_helper_that_is_not_installed_is_named(write: Write) -> None:
    with pytest.raises(CredentialsFault, match="docker-credential-absent"):
        await ConfigFile.read(write({"credsStore": "absent"})).auth_for("redis")


@pytest.mark.anyio
async def test_a_build_gets_all_that_is_known_and_no_failing_helper_stops_it(write: Write, helper: Path) -> None:
    config = ConfigFile.read(write({"credsStore": "test", "auths": {"a.example": {"auth": packed("x:y")}}}))
    assert {name: auth["username"] for name, auth in (await config.all_auths()).items()} == {
        "a.example": "x",
        "reg.example:5000": "u",
    }
    assert await ConfigFile.read(write({"credsStore": "absent"})).all_auths() == {}


def test_a_missing_file_is_an_empty_one(tmp_path: Path) -> None:
    assert ConfigFile.read({"HOME": str(tmp_path)}).content == {}


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CredentialsFault, match=r"config\.json"):
        ConfigFile.read({"DOCKER_CONFIG": str(tmp_path)})


def test_a_written_file_keeps_the_keys_that_we_do_not_know(write: Write, tmp_path: Path) -> None:
    environment = write({"psFormat": "x", "currentContext": "old"})
    ConfigFile.read(environment).with_context("new").write()
    assert json.loads((tmp_path / "config.json").read_text()) == {"psFormat": "x", "currentContext": "new"}
    ConfigFile.read(environment).with_context(None).write()
    assert json.loads((tmp_path / "config.json").read_text()) == {"psFormat": "x"}


def test_the_header_is_urlsafe_base64_of_json() -> None:
    assert json.loads(base64.urlsafe_b64decode(header({"username": "ü?>"}))) == {"username": "ü?>"}


def test_a_context_is_found_with_its_tls_files_and_removed_whole(tmp_path: Path) -> None:
    store = ContextStore({"DOCKER_CONFIG": str(tmp_path)})
    store.create(Context("prod", "tcp://h:2376", "the real one"), pem={"ca.pem": b"CA"})
    found = store.find("prod")
    assert found is not None and found.tls is not None
    assert (found.host, found.description, dict(pem_files(found.tls))) == (
        "tcp://h:2376",
        "the real one",
        {"ca.pem": b"CA"},
    )
    assert [context.name for context in store.list()] == ["prod"]
    store.remove("prod")
    assert store.find("prod") is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_broken_context_is_named(tmp_path: Path) -> None:
    store = ContextStore({"DOCKER_CONFIG": str(tmp_path)})
    store.create(Context("a", "unix:///x"), pem={})
    (store.meta_folder("a") / "meta.json").write_text("{}")
    with pytest.raises(CredentialsFault, match=r"meta\.json"):
        store.list()


@pytest.mark.parametrize(
    ("name", "good"), [("a", False), ("ab", True), ("default", False), ("a/b", False), ("-ab", False)]
)
def test_names_are_those_that_docker_takes(name: str, good: bool) -> None:
    assert valid_name(name) is good
