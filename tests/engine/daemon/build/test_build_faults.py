"""Builds that end badly: the engine killed, the client gone, the disk full, a bomb. Nothing is left, and it goes on."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from tests.dockerfiles import docker
from tests.engine.daemon.api import Api
from tests.engine.daemon.build.building import FROM, Builds, tar_of
from tests.engine.daemon.daemons import Daemon, running_daemon
from tests.engines import load_image

pytestmark = pytest.mark.root
# Everything that a build can have open: a mounted context, a writable one, a cache, a stage beside it.
BUSY = (
    FROM.strip()
    + " AS other\nRUN echo other > /o; sleep 100\n"
    + FROM
    + "RUN --mount=target=/c --mount=target=/w,rw --mount=type=cache,target=/k touch /w/x /k/x; echo begun; sleep 100\n"
    + "COPY --from=other /o /o\n"
)


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running_daemon() as daemon:
        yield daemon


def begun(daemon: Daemon, text: str) -> Api:
    """A build whose command has said so; the caller closes it."""
    api = Api(daemon.engine.socket)
    api.request("POST", "/v1.41/build?forcerm=1&nocache=1", tar_of({"Dockerfile": text, "f": "1"}))
    answer = api.getresponse()
    heard = b""
    while b"Running in" not in heard:
        piece = answer.read1(4096)
        assert piece, heard
        heard += piece
    # the other stage speaks later: it runs when it has a container
    until(lambda: len(containers(daemon)) == 2)
    return api


def containers(daemon: Daemon) -> list[str]:
    return docker(daemon.engine.socket, "ps", "-aq").stdout.decode().split()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def remains(daemon: Daemon) -> list[str]:
    """What a build would leave: containers, folders, snapshots, mounts."""
    folders = [
        daemon.folder / "root" / "builds",
        daemon.folder / "run" / "builds",
        daemon.folder / "root" / "snapshots",
    ]
    left = [str(path) for folder in folders for path in folder.iterdir() if path.name != "empty"]
    mounts = Path(f"/proc/{daemon.pid}/mounts").read_text()
    left += [line for line in mounts.splitlines() if f"{daemon.folder}/run/builds/" in line]
    return left + containers(daemon)


def test_a_killed_engine_leaves_nothing_of_its_builds(daemon: Daemon) -> None:
    with closing(begun(daemon, BUSY)):
        layers = sorted(path.name for path in (daemon.folder / "root" / "layers").iterdir())
        daemon.kill()
        daemon.start()
    assert remains(daemon) == []
    assert sorted(path.name for path in (daemon.folder / "root" / "layers").iterdir()) == layers
    assert "Successfully built" in Builds(daemon.engine).said(FROM + "RUN true\n")


def test_a_build_ends_when_its_client_leaves(daemon: Daemon) -> None:
    begun(daemon, BUSY).close()
    until(lambda: remains(daemon) == [])


def test_a_context_that_breaks_off_leaves_nothing(daemon: Daemon) -> None:
    body = tar_of({"Dockerfile": FROM, "big": bytes(40 << 20)})
    for length in (1000, 35 << 20):
        with closing(Api(daemon.engine.socket)) as api:
            api.putrequest("POST", "/v1.41/build")
            api.putheader("Content-Length", str(len(body)))
            api.endheaders(body[:length])
        until(lambda: remains(daemon) == [])


def test_a_failing_stage_ends_the_others(daemon: Daemon) -> None:
    text = f"{FROM.strip()} AS slow\nRUN sleep 100\n{FROM}RUN exit 5\nCOPY --from=slow /bin/sh /s\n"
    fault = Builds(daemon.engine).fault(text, forcerm=1)
    assert fault["code"] == 5
    until(lambda: remains(daemon) == [])


def bomb(megabytes: int) -> bytes:
    """A gzipped tar of zeros."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        entry = tarfile.TarInfo("zeros")
        # not zeros alone: those would become holes
        content = b"bomb" * (1 << 18) * megabytes
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_a_full_disk_is_told_and_cleared(daemon: Daemon) -> None:
    daemon.stop()
    root = daemon.folder / "root"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(root)], check=True)
    daemon.start()
    try:
        anyio.run(load_image, daemon.engine)
        builds = Builds(daemon.engine)
        before = free(root)
        fault = builds.fault(FROM + "RUN head -c 90000000 /dev/urandom > /big\n", forcerm=1)
        assert fault["code"] == 1
        assert "No space left" in builds.fault(FROM + "ADD b.tgz /b/\n", {"b.tgz": bomb(100)})["message"]
        many = "".join(f"COPY f /{number}\n" for number in range(8))
        assert "No space left" in builds.fault(FROM + many, {"f": bytes(9_000_000) + b"x" * 9_000_000})["message"]
        status, message = builds.call(bomb(100))
        assert (status, "No space left" in message) == (500, True)
        assert remains(daemon) == []
        docker(daemon.engine.socket, "builder", "prune", "-af")
        assert before - free(root) < 1 << 20
        assert "Successfully built" in builds.said(FROM + "RUN echo small > /s\n")
    finally:
        daemon.stop()
        subprocess.run(["umount", str(root)], check=True)
        daemon.start()


def free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
