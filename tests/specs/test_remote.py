"""Compose files of git repositories: what Docker Compose reads is read, with the same paths; other ones are told of."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from specs.remote import GitPlace, git_place, is_remote
from tests.specs.oracle import oracle_binary

REPOSITORY = {
    "compose.yaml": """
services:
  web:
    image: web:${TAG:-none}
    build: ./app
    env_file: [a.env]
    volumes: ["./data:/d"]
    extends: {file: sub/ext.yaml, service: e}
""",
    "a.env": "A=1\n",
    ".env": "TAG=from-the-repository\n",
    "sub/ext.yaml": "services: {e: {image: e, volumes: ['./e:/e']}}\n",
    "sub/compose.yaml": "services: {s: {image: 's:${TAG:-none}', build: ./b, env_file: [s.env]}}\n",
    "sub/s.env": "S=1\n",
    "empty/file": "",
}


@dataclass(frozen=True)
class Server:
    """`url` is the repository's; both tools keep their checkouts below `cache`."""

    url: str
    folder: Path
    cache: Path

    def config(self, command: list[str], text: str, *flags: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "compose.yaml").write_text(text.replace("@", self.url))
        words = [flag.replace("@", self.url) for flag in flags]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.cache), "XDG_CACHE_HOME": str(self.cache)}
        return subprocess.run(
            [*command, *words, "config", "--format", "json"],
            cwd=self.folder,
            env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=30,
        )

    def ours(self, text: str, *flags: str) -> subprocess.CompletedProcess[str]:
        return self.config([sys.executable, "-m", "engine.cli.main"], text, *flags)

    def theirs(self, text: str, *flags: str) -> Any:
        return json.loads(self.config([str(oracle_binary())], text, *flags).stdout)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("git")
    work = base / "work"
    for name, text in REPOSITORY.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    git = ["git", "-C", str(work), "-c", "user.name=t", "-c", "user.email=t@example.test"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "one"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(base / "shop.git")], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["git", "daemon", "--export-all", f"--base-path={base}", "--listen=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until = time.monotonic() + 20
        while not answers(port):
            assert time.monotonic() < until, "git daemon did not start"
            time.sleep(0.05)
        folder = base / "here"
        folder.mkdir()
        (folder / ".env").write_text("TAG=from-here\n")
        (folder / "local.yaml").write_text("services: {s: {hostname: h}}\n")
        yield Server(f"git://127.0.0.1:{port}/shop.git", folder, base / "cache")
    finally:
        os.killpg(process.pid, 15)
        process.wait()


PLAIN = "services: {own: {image: o, volumes: ['./q:/q']}}\n"


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (PLAIN, ("-f", "@")),
        (PLAIN, ("-f", "@#main:sub")),
        (PLAIN, ("-f", "@#v1:sub/compose.yaml")),
        (PLAIN, ("-f", "@", "-f", "compose.yaml")),
        (PLAIN, ("-f", "compose.yaml", "-f", "@")),
        (PLAIN, ("--project-directory", "..", "-f", "@")),
        (f"include: ['@']\n{PLAIN}", ()),
        ("include: ['@#main:sub']\n", ()),
        ("include: [{path: ['@#main:sub', ./local.yaml]}]\n", ()),
        ("include: [{path: '@', env_file: .env}]\n", ()),
        ("services: {own: {extends: {file: '@', service: web}}}\n", ()),
        ("services: {own: {extends: {file: '@#v1:sub/ext.yaml', service: e}}}\n", ()),
    ],
)
def test_remote_files_resolve_as_docker_compose_resolves_them(
    server: Server, text: str, flags: tuple[str, ...]
) -> None:
    done = server.ours(text, *flags)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == server.theirs(text, *flags)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("@#nope", 'has no branch or tag "nope"'),
        ("@#main:empty", "has no Compose file"),
        ("@#main:../x", "leads out of the repository"),
        ("@#main:nosuch", 'there is no "nosuch"'),
        ("git://127.0.0.1:1/x.git", "can't reach the repository git://127.0.0.1:1/x.git"),
    ],
)
def test_what_cant_be_fetched_is_told_at_its_place(server: Server, name: str, words: str) -> None:
    included = server.ours(f"include:\n  - '{name}'\n")
    assert included.returncode == 1
    assert "compose.yaml:2:5: error[remote-file]" in included.stderr
    assert words in included.stderr
    assert words in server.ours(PLAIN, "-f", name).stderr


def test_a_commit_that_is_there_is_not_fetched_again_and_nothing_lies_beside_it(server: Server) -> None:
    assert server.ours(PLAIN, "-f", "@").returncode == 0
    kept = list((server.cache / "docker-compose").iterdir())
    assert [len(each.name) for each in kept] == [40]
    (commit,) = kept
    gone = f"{server.url.replace('shop', 'gone')}#{commit.name}"
    assert server.ours(PLAIN, "-f", gone).returncode == 0


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("https://host/a/b.git#v1:sub", GitPlace("https://host/a/b.git", "v1", "sub")),
        ("https://host/a/b", None),
        ("git@host:a/b.git", GitPlace("git@host:a/b.git", "", "")),
        ("ssh://git@host/a#:sub", GitPlace("ssh://git@host/a", "", "sub")),
        ("github.com/a/b", GitPlace("github.com/a/b", "", "")),
        ("./github.com/a", None),
        ("compose.yaml", None),
        ("ext::sh -c true", None),
    ],
)
def test_what_is_git_is_told_as_buildkit_tells_it(text: str, place: GitPlace | None) -> None:
    assert git_place(text) == place
    assert is_remote(text) == (place is not None)
