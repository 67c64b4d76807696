"""Registries for the tests: ours and Debian's docker-registry, each a process with its own folder, and a plain client.

The client is http.client: what a registry says is looked at by something that is not ours.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

START_SECONDS = 30.0
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names are lower-case; one that came twice has both values, joined by a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in self.json["errors"]]


@dataclass(slots=True)
class Registry:
    """`headers` go with every request. `context` None: plain HTTP."""

    kind: str
    address: str
    process: subprocess.Popen[str] | None = None
    context: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, **more: str
    ) -> Answer:
        """One request on a connection of its own; `path` may be a whole Location. `more` are headers."""
        parts = urlsplit(path)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        named = {name.replace("_", "-"): value for name, value in more.items()}
        connection = (
            http.client.HTTPSConnection(self.address, timeout=60, context=self.context)
            if self.context
            else http.client.HTTPConnection(self.address, timeout=60)
        )
        try:
            sent = body or (b"" if method in {"POST", "PUT", "PATCH"} else None)
            connection.request(method, target, body=sent, headers={**self.headers, **(headers or {}), **named})
            answer = connection.getresponse()
            found: dict[str, str] = {}
            for name, value in answer.getheaders():
                key = name.lower()
                found[key] = f"{found[key]}, {value}" if key in found else value
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    # --- the usual ways
    def begin(self, name: str, query: str = "") -> str:
        """Where the upload goes."""
        answer = self.ask("POST", f"/v2/{name}/blobs/uploads/{query}")
        assert answer.status == 202, answer
        return answer.headers["location"]

    def push_blob(self, name: str, content: bytes, algorithm: str = "sha256") -> str:
        digest = digest_of(content, algorithm)
        answer = self.ask("PUT", with_query(self.begin(name), f"digest={digest}"), content)
        assert answer.status == 201, answer
        return digest

    def push_manifest(self, name: str, reference: str, document: Mapping[str, Any], query: str = "") -> Answer:
        content = json.dumps(document).encode()
        kind = {"Content-Type": document.get("mediaType", "application/vnd.oci.image.manifest.v1+json")}
        return self.ask("PUT", f"/v2/{name}/manifests/{reference}{query}", content, kind)

    def image(self, name: str, text: str = "layer", **more: Any) -> dict[str, Any]:
        """The manifest of an image whose blobs are pushed."""
        config, layer = json.dumps({"made for": text}).encode(), text.encode() * 100
        return {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor(config, "application/vnd.oci.image.config.v1+json", self, name),
            "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar", self, name)],
            **more,
        }


def descriptor(content: bytes, media_type: str, registry: Registry, name: str) -> dict[str, Any]:
    digest = registry.push_blob(name, content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def with_query(location: str, query: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}{query}"


def absolute(base: str, location: str) -> str:
    return urljoin(base, location)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_registry(root: Path, *flags: str, port: int = 0, netns: int | None = None) -> Iterator[Registry]:
    """Ours, by its command line; in the network namespace of the process `netns`."""
    inside = ["nsenter", f"--net=/proc/{netns}/ns/net"] if netns else []
    command = [*inside, sys.executable, "-m", "engine.cli.main", "registry", "serve", f"--listen=127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command, f"--root={root}", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None and process.stderr is not None
    with process.stdout, process.stderr:
        line = process.stdout.readline()
        if not line:
            process.wait()
            pytest.fail(f"the registry did not start: {process.stderr.read()}")
        try:
            yield Registry("rorqual", line.strip().rpartition("//")[2], process)
        finally:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


DEBIAN_CONFIG = """version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
log: {{level: error}}
"""


@contextmanager
def running_debian_registry(root: Path, more: str = "") -> Iterator[Registry]:
    """Debian's docker-registry, to see that a claim of ours is one that registries keep; `more` is configuration."""
    if shutil.which("docker-registry") is None:
        pytest.skip("needs docker-registry; `make test` installs it")
    port = free_port()
    config = root / "config.yml"
    config.write_text(DEBIAN_CONFIG.format(root=root / "data", port=port) + more)
    process = subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )
    registry = Registry("debian", f"127.0.0.1:{port}", process)
    try:
        wait_until_up(registry)
        yield registry
    finally:
        end(process)


def wait_until_up(registry: Registry) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            registry.ask("GET", "/v2/")
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the registry at {registry.address} did not start")
