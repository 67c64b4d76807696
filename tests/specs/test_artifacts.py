"""Compose files that a registry holds (`oci://`): what Docker Compose reads is read, with the same paths."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.registries import Registry, descriptor, running_registry
from tests.specs.oracle import oracle_binary

PROJECT = "application/vnd.docker.compose.project"
YAML = "application/vnd.docker.compose.file+yaml"
ENV_FILE = "application/vnd.docker.compose.envfile"
EMPTY = "application/vnd.docker.compose.config.empty.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MAIN = """
services:
  web:
    image: web:${TAG:-none}
    env_file: [abc.env]
    volumes: ['./data:/d']
    extends: {file: def.yaml, service: base}
"""
OVER = "services: {web: {hostname: over}}\n"
PLAIN = "services: {own: {image: o, volumes: ['./q:/q']}}\n"


@dataclass(frozen=True)
class Shop:
    """A registry, and a folder in which both tools run; their caches are their own."""

    registry: Registry
    folder: Path

    def config(self, tool: list[str], name: str, text: str, *flags: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "compose.yaml").write_text(text.replace("@", self.at("shop:1")))
        cache = str(self.folder.parent / name)
        environment = {"PATH": os.environ["PATH"], "HOME": cache, "XDG_CACHE_HOME": cache}
        environment["SSL_CERT_FILE"] = str(self.folder.parent / "cert.pem")
        return subprocess.run(
            [*tool, *(flag.replace("@", self.at("shop:1")) for flag in flags), "config", "--format", "json"],
            cwd=self.folder,
            env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def ours(self, text: str, *flags: str) -> subprocess.CompletedProcess[str]:
        return self.config([sys.executable, "-m", "engine.cli.main"], "cache", text, *flags)

    def theirs(self, text: str, *flags: str) -> Any:
        done = self.config([str(oracle_binary())], "cache", text, *flags)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def at(self, name: str) -> str:
        return f"oci://{self.registry.address}/{name}"

    def layer(self, content: str, media_type: str, **notes: str) -> dict[str, Any]:
        annotations = {f"com.docker.compose.{key}": value for key, value in notes.items()}
        return {**descriptor(content.encode(), media_type, self.registry, "shop"), "annotations": annotations}

    def push(self, tag: str, layers: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        config = descriptor(b"{}", "application/vnd.oci.empty.v1+json", self.registry, "shop")
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers, **more}
        document = {"artifactType": PROJECT, **document} if "artifactType" not in more else document
        answer = self.registry.push_manifest("shop", tag, document)
        assert answer.status == 201, answer
        content = json.dumps(document).encode()
        return {"mediaType": MANIFEST, "size": len(content), "digest": answer.headers["docker-content-digest"]}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    base = tmp_path_factory.mktemp("artifacts")
    (base / "here").mkdir()
    key, certificate = base / "key.pem", base / "cert.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    made = [*words, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    flags = (f"--tls-cert={certificate}", f"--tls-key={key}")
    with running_registry(base / "registry", *flags) as registry:
        registry.context = ssl.create_default_context(cafile=str(certificate))
        found = Shop(registry, base / "here")
        layers = [
            found.layer(MAIN, YAML, file="compose.yaml", version="v2.40.3"),
            found.layer(OVER, YAML, file="over.yaml"),
            found.layer("services: {base: {working_dir: /w, build: ./b}}\n", YAML, file="def.yaml", extends="true"),
            found.layer("A=1\n", ENV_FILE, envfile="abc.env"),
        ]
        one = found.push("1", layers)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**one, "artifactType": PROJECT}]}
        assert registry.push_manifest("shop", "index", index).status == 201
        bare = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [one]}
        assert registry.push_manifest("shop", "bare", bare).status == 201
        empty = descriptor(b"{} ", EMPTY, registry, "shop")
        found.push("old", layers, config=empty, artifactType="")
        found.push("image", layers, artifactType="application/vnd.example.thing")
        found.push("escape", [found.layer("A=1\n", ENV_FILE, envfile="../../x.env"), *layers])
        found.push("nothing", [])
        yield found


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (PLAIN, ("-f", "@")),
        (PLAIN, ("-f", "@", "-f", "compose.yaml")),
        ("include: ['@']\n" + PLAIN, ()),
        ("services: {own: {extends: {file: '@', service: web}}}\n", ()),
    ],
)
def test_an_artifact_resolves_as_docker_compose_resolves_it(shop: Shop, text: str, flags: tuple[str, ...]) -> None:
    done = shop.ours(text, *flags)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == shop.theirs(text, *flags)


def test_an_index_and_an_artifact_of_the_old_kind_are_read(shop: Shop) -> None:
    one = json.loads(shop.ours(PLAIN, "-f", "@").stdout)
    for tag in ("index", "old"):
        other = json.loads(shop.ours(PLAIN, "-f", shop.at(f"shop:{tag}")).stdout)
        assert other["services"]["web"]["environment"] == one["services"]["web"]["environment"] == {"A": "1"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shop:nope", "has it not"),
        ("shop:image", "is no Compose project, but application/vnd.example.thing"),
        ("shop:bare", "no Compose project is in it"),
        ("shop:escape", "would not lie in its own folder: '../../x.env'"),
        ("shop:nothing", "holds no Compose file"),
        ("SHOP:1", "names no artifact"),
    ],
)
def test_what_cant_be_pulled_is_told_at_its_place_and_leaves_nothing(shop: Shop, name: str, words: str) -> None:
    kept = shop.folder.parent / "cache" / "docker-compose"
    before = sorted(kept.iterdir()) if kept.exists() else []
    done = shop.ours(f"include:\n  - '{shop.at(name)}'\n")
    assert done.returncode == 1
    assert "compose.yaml:2:5: error[remote-file]" in done.stderr
    assert words in done.stderr
    assert (sorted(kept.iterdir()) if kept.exists() else []) == before
    assert not list(shop.folder.parent.rglob("x.env"))


def test_a_registry_that_is_not_there_is_told(shop: Shop) -> None:
    done = shop.ours("include: ['oci://127.0.0.1:1/x:1']\n")
    assert done.returncode == 1
    assert "can't pull oci://127.0.0.1:1/x:1" in done.stderr
