"""What builds fetch: by HTTP, from git; whole contexts, too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.busybox import REFERENCE
from tests.dockerfiles import docker, packed
from tests.engine.daemon.build.building import EXTENDED, FROM, Builds, tar_of
from tests.engines import RunningEngine

pytestmark = pytest.mark.root


@contextmanager
def served(engine: RunningEngine, folder: Path) -> Iterator[str]:
    """An HTTP server in the engine's network namespace."""
    script = (
        "import http.server, functools, sys\n"
        "h = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])\n"
        "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), h)\n"
        "print(s.server_port, flush=True)\ns.serve_forever()\n"
    )
    command = ["nsenter", f"--net=/proc/{engine.pid}/ns/net", "python3", "-c", script, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()


def test_add_downloads_checks_and_unpacks(builds: Builds, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("down")
    (tmp_path / "a.tgz").write_bytes(packed(in_it="1"))
    os.utime(tmp_path / "f.txt", (1_000_000_000, 1_000_000_000))
    right = "sha256:" + "d6ac022931a66a2bcc244db91818ebec76ce5e18c83c9e1c5f4a3ff1d4d4a4a7"
    with served(builds.engine, tmp_path) as url:
        text = (
            FROM + f"ADD {url}/f.txt /d/\nADD {url}/f.txt /named\nADD {url}/a.tgz /t/\nADD --unpack {url}/a.tgz /u/\n"
        )
        builds.said(text, t="added")
        message = builds.fault(FROM + f"ADD --checksum={right} {url}/f.txt /x\n")["message"]
        assert "digest mismatch" in message
        assert "status 404" in builds.fault(FROM + f"ADD {url}/none /x\n")["message"]
        assert "Using cache" in builds.said(text)
        (tmp_path / "f.txt").write_text("other")
        assert builds.said(text).count("Using cache") == 0
    shown = docker(builds.engine.socket, "run", "--rm", "added", "stat", "-c", "%n %a %Y", "/d/f.txt", "/named").stdout
    assert shown.decode().splitlines() == ["/d/f.txt 600 1000000000", "/named 600 1000000000"]
    found = docker(builds.engine.socket, "run", "--rm", "added", "ls", "/t", "/u").stdout.decode().split()
    assert found == ["/t:", "a.tgz", "/u:", "in_it"]


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=folder, check=True, capture_output=True
    )


@contextmanager
def repository(engine: RunningEngine, tmp_path: Path) -> Iterator[str]:
    """By git's own protocol in the engine's network namespace: a folder `sub` with a Dockerfile and a file."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "Dockerfile").write_text(FROM + "COPY f /f\n")
    (tmp_path / "sub" / "f").write_text("from git")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "x")
    git(tmp_path, "update-server-info")
    bare = tmp_path / "r.git"
    git(tmp_path, "clone", "-q", "--bare", ".", str(bare))
    git(bare, "update-server-info")
    port = 9600 + os.getpid() % 300
    command = ["git", "daemon", "--export-all", f"--base-path={tmp_path}", "--listen=127.0.0.1", f"--port={port}"]
    inside = ["nsenter", f"--net=/proc/{engine.pid}/ns/net", *command]
    daemon = subprocess.Popen(inside, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for_port(engine, port)
        yield f"git://127.0.0.1:{port}/r.git"
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


def test_contexts_and_sources_come_from_git(builds: Builds, tmp_path: Path) -> None:
    with repository(builds.engine, tmp_path) as url:
        status, lines = builds.call(b"", t="from-git", remote=f"{url}#main:sub")
        assert status == 200 and "aux" in str(lines), lines
        assert builds.file("from-git", "/f") == "from git"
        builds.said(FROM + f"ADD {url}#main /r\nADD --keep-git-dir=true {url} /k\n", t="git-added")
        shown = docker(builds.engine.socket, "run", "--rm", "git-added", "ls", "-A", "/r", "/k").stdout.decode().split()
        assert shown == ["/k:", ".git", "sub", "/r:", "sub"]
        moved = builds.fault(FROM + f"ADD --checksum=0123456 {url}#main /r\n")["message"]
        assert "is at the commit" in moved and moved.endswith("not 0123456")
        assert "git fetch failed" in builds.fault(FROM + f"ADD {url}#nobranch /r\n")["message"]


def test_named_contexts_are_fetched_by_their_urls_once_for_all_stages(builds: Builds, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "tool.sh").write_text("echo fetched\n")
    text = (
        FROM.replace("\n", " AS one\n")
        + "COPY --from=web tool.sh /tool\nRUN --mount=from=code,target=/m cat /m/f > /m.out\n"
        + FROM
        + "COPY --from=code . /code\nCOPY --from=one /tool /m.out /\nCOPY --from=web . /web\n"
    )

    def body(**remotes: str) -> bytes:
        return tar_of({"build.json": json.dumps({"remotes": remotes}), "context/Dockerfile": text})

    with repository(builds.engine, tmp_path) as code, served(builds.engine, site) as web:
        right = body(code=f"{code}#main:sub", web=f"{web}/tool.sh")
        status, lines = builds.call(right, EXTENDED, t="by-urls")
        assert status == 200 and "aux" in str(lines), lines
        look = "sh /tool; cat /m.out; ls /code /web"
        shown = docker(builds.engine.socket, "run", "--rm", "by-urls", "sh", "-c", look)
        assert shown.stdout.decode().split() == ["fetched", "from", "git/code:", "Dockerfile", "f", "/web:", "tool.sh"]
        again = "".join(line.get("stream", "") for line in builds.call(right, EXTENDED)[1])
        assert again.count("Using cache") == 5
        (site / "tool.sh").write_text("echo changed\n")
        changed = "".join(line.get("stream", "") for line in builds.call(right, EXTENDED)[1])
        assert changed.count("Using cache") == 1, changed
        wrong = builds.call(body(code=code, web=f"{web}/none"), EXTENDED)[1][-1]["error"]
        assert wrong.startswith("the context web can't be fetched: ") and "status 404" in wrong
        odd = builds.call(body(code="ftp://x/y", web=f"{web}/tool.sh"), EXTENDED)[1][-1]["error"]
        assert "neither a git repository nor a file by http(s)" in odd


def wait_for_port(engine: RunningEngine, port: int) -> None:
    probe = (
        "import socket, time, sys\nfor _ in range(200):\n"
        "  try: socket.create_connection(('127.0.0.1', int(sys.argv[1]))); break\n"
        "  except OSError: time.sleep(0.05)\n"
    )
    engine.inside(["python3", "-c", probe, str(port)])


def test_a_remote_context_may_be_a_tar_or_a_dockerfile(builds: Builds, tmp_path: Path) -> None:
    (tmp_path / "c.tar").write_bytes(tar_of({"Dockerfile": FROM + "COPY f /f\n", "f": "remote"}))
    (tmp_path / "plain.txt").write_text(FROM + "RUN echo plain > /f\n")
    with served(builds.engine, tmp_path) as url:
        builds.call(b"", t="remote-tar", remote=f"{url}/c.tar")
        builds.call(b"", t="remote-text", remote=f"{url}/plain.txt")
    assert builds.file("remote-tar", "/f") + builds.file("remote-text", "/f") == "remoteplain\n"


def test_a_base_that_isnt_here_is_pulled(builds: Builds, tmp_path: Path) -> None:
    port = 9200 + os.getpid() % 300
    name = f"127.0.0.1:{port}/bases/busybox:1"
    serve = [sys.executable, "-m", "engine.cli.main", "registry", "serve", f"--listen=127.0.0.1:{port}"]
    inside = ["nsenter", f"--net=/proc/{builds.engine.pid}/ns/net", *serve, f"--root={tmp_path}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    with (tmp_path / "log").open("wb") as log:
        registry = subprocess.Popen(inside, stdout=log, stderr=log, env=environment)
    try:
        wait_for_port(builds.engine, port)
        docker(builds.engine.socket, "tag", REFERENCE, name)
        docker(builds.engine.socket, "push", name)
        docker(builds.engine.socket, "rmi", name)
        lines = builds.lines(f"FROM {name}\nRUN echo pulled\n", nocache=1)
        assert any("Pulling from bases/busybox" in line.get("status", "") for line in lines), lines
        assert "pulled\n" in "".join(line.get("stream", "") for line in lines)
        again = builds.lines(f"FROM {name}\n", pull=1)
        assert any("Image is up to date" in line.get("status", "") for line in again), again
        missing = builds.fault(f"FROM 127.0.0.1:{port}/bases/none\n")["message"]
        assert "bases/none" in missing
    finally:
        registry.terminate()
        registry.wait()
        docker(builds.engine.socket, "rmi", name, check=False)
