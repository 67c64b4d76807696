"""A daemon that a test may kill and start again: its network namespace and its state outlive it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio

from engine.client.session import open_client
from engine.client.target import Target
from engine.daemon.protocols import Places
from engine.daemon.runtime import cgroups
from tests.busybox import REFERENCE
from tests.engines import RunningEngine, load_image, needs, processes_naming, short_folder, unmount_below

IMAGE = REFERENCE


class Daemon:
    def __init__(self, folder: Path, holder: int) -> None:
        self.folder = folder
        self._holder = holder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> Target:
        return Target(f"unix://{self.folder / 'engine.sock'}", "the test")

    @property
    def engine(self) -> RunningEngine:
        return RunningEngine("rorqual", self.folder / "engine.sock", self._holder)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *flags: str) -> None:
        """Start it and wait until it answers."""
        command = [
            "nsenter",
            f"--net=/proc/{self._holder}/ns/net",
            sys.executable,
            "-m",
            "engine.cli.main",
            "daemon",
            f"--root={self.folder / 'root'}",
            f"--run={self.folder / 'run'}",
            f"--socket={self.folder / 'engine.sock'}",
            *flags,
        ]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        deadline = time.monotonic() + 30
        while not pings(self.folder / "engine.sock"):
            assert self._process.poll() is None and time.monotonic() < deadline, self.words()
            time.sleep(0.02)

    def kill(self) -> None:
        """As a crash does it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def reboot(self) -> None:
        """What a machine's end leaves: the state, and nothing that runs or lies in /run. Start it again yourself."""
        self.kill()
        self.end_all()
        unmount_below(self.folder)
        subprocess.run(["rm", "-rf", str(self.folder / "run")], check=True)

    def end_all(self) -> None:
        """Kill every process that names our folder, and the containers' with their monitors."""
        for _ in range(50):
            left = [pid for pid in processes_naming(f"{self.folder}/") if pid != os.getpid()]
            children = [child for pid in left for child in children_of(pid)]
            if not left:
                return
            for pid in [*left, *children]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def words(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-3000:]


def pings(path: Path) -> bool:
    """Whether a daemon answers there. Without an event loop: a test may run one already."""
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(5)
            channel.connect(str(path))
            channel.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return b" 200 " in channel.recv(1024)
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


@contextmanager
def running_daemon() -> Iterator[Daemon]:
    """A fresh daemon with the test image; gone afterwards with all that it ran."""
    needs("conmon", "nsenter", "unshare")
    with short_folder() as folder:
        script = "ip link set lo up && echo ready && exec sleep 100000"
        holder = subprocess.Popen(["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE)
        daemon = Daemon(folder, holder.pid)
        try:
            assert holder.stdout is not None
            with holder.stdout as told:
                assert told.readline() == b"ready\n"
            daemon.start()
            anyio.run(load_image, daemon.engine)
            yield daemon
            if daemon._process is not None and daemon._process.poll() is None:
                anyio.run(remove_all, daemon.target)
                daemon.stop()
        finally:
            daemon.end_all()
            with suppress(OSError):
                cgroups.remove(Places(folder / "root", folder / "run", folder / "engine.sock").cgroup)
            holder.kill()
            holder.wait()


async def remove_all(target: Target) -> None:
    async with open_client(target) as client:
        for container in await client.containers.list(all=True):
            await client.containers.remove(container["Id"], force=True, volumes=True)
