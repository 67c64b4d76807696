"""Git hosts on loopback: real git behind TLS with a password, and behind a real sshd with its own keys."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

BACKEND = "git http-backend"
USER, PASSWORD = "deploy", "p4ss w0rd'$(x)"
SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@dataclass
class TlsHost:
    """`url` is the folder of repositories; `ca` the certificate that vouches for it; `asked` counts requests with and
    without the right password.
    """

    url: str
    ca: Path
    asked: dict[bool, int]


@contextmanager
def tls_host(folder: Path, repositories: Path) -> Iterator[TlsHost]:
    """Smart HTTP for everything below `repositories`, for USER with PASSWORD only."""
    key, certificate = folder / "tls.key", folder / "tls.crt"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files)
    asked = {True: 0, False: 0}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.serve()

        def do_POST(self) -> None:
            self.serve()

        def serve(self) -> None:
            wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            good = self.headers.get("Authorization") == f"Basic {wanted}"
            asked[good] += 1
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not good:
                self.answer(401, [("WWW-Authenticate", 'Basic realm="git"')], b"who are you?")
                return
            if "/info/lfs/" in self.path:
                self.answer(*lfs_answer(self.path, body, f"https://{self.headers['Host']}", repositories))
                return
            done = subprocess.run(BACKEND.split(), input=body, env=self.cgi(), capture_output=True, check=True)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
            status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
            self.answer(status, [(name, value) for name, value in headers if name != "Status"], content)

        def cgi(self) -> dict[str, str]:
            path, _, query = self.path.partition("?")
            return {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(repositories),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_USER": USER,
            }

        def answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield TlsHost(f"https://127.0.0.1:{server.server_port}", certificate, asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def lfs_answer(path: str, body: bytes, host: str, repositories: Path) -> tuple[int, list[tuple[str, str]], bytes]:
    """Git LFS' batch API, and the contents: those that lie in the bare repository's `lfs/objects`."""
    repository, _, rest = path.lstrip("/").partition("/info/lfs/")
    objects = repositories / repository / "lfs" / "objects"
    if rest.startswith("content/"):
        found = next(objects.rglob(rest.rpartition("/")[2]), None)
        return (404, [], b"") if found is None else (200, [], found.read_bytes())
    wanted = json.loads(body)["objects"]
    links = [{"href": f"{host}/{repository}/info/lfs/content/{each['oid']}"} for each in wanted]
    answers = [{**each, "actions": {"download": link}} for each, link in zip(wanted, links, strict=True)]
    head = [("Content-Type", "application/vnd.git-lfs+json")]
    return 200, head, json.dumps({"transfer": "basic", "objects": answers}).encode()


@dataclass
class SshHost:
    """`key` may log in, `known` names the host's own key."""

    port: int
    key: Path
    known: Path


@contextmanager
def ssh_host(folder: Path) -> Iterator[SshHost]:
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or os.getuid() != 0:
        pytest.skip("needs root and sshd; `make test` installs it")
    for name in ("host", "client"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    shutil.copy(folder / "client.pub", folder / "authorized")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "sshd.conf").write_text(SSHD.format(port=port, folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)
    command = [program, "-D", "-e", "-f", str(folder / "sshd.conf")]
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until_it_listens(port, process)
        yield SshHost(port, folder / "client", known)
    finally:
        process.terminate()
        process.wait()


def until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None and time.monotonic() < deadline
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
