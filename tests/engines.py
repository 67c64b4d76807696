"""Real engines for the tests: a dockerd and a Podman service, each with everything of its own, gone afterwards.

Each runs in its own network namespace, since two of them race for the firewall's chains, and a test must not touch
the machine's. `RunningEngine.inside` is how a test reaches a published port.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from engine.client.session import open_client
from engine.client.target import Target
from tests.busybox import REFERENCE, busybox_archive

START_SECONDS = 60.0
# A registry that a test may start in an engine's network namespace; it is spoken to in plain HTTP.
TEST_REGISTRY = "localhost:5055"
CONTAINERS_CONF = """[containers]
default_ulimits = []
[engine]
runtime = "runc"
"""


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """`pid` is the engine's own process, for its network namespace; `image` is loaded and runs `sh`."""

    kind: str
    socket: Path
    pid: int
    image: str = REFERENCE

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    @property
    def target(self) -> Target:
        return Target(self.host, "the test")

    def inside(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command where the engine's bridges and published ports are."""
        return subprocess.run(
            ["nsenter", f"--net=/proc/{self.pid}/ns/net", *command],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )


@contextmanager
def running_docker(folder: Path, *flags: str) -> Iterator[RunningEngine]:
    """A dockerd with its own socket, data root, exec root and pidfile in `folder`, the test image loaded."""
    needs("dockerd", "nsenter", "unshare")
    config = folder / "daemon.json"
    config.write_text("{}")
    command = [
        "dockerd",
        f"--config-file={config}",
        f"--host=unix://{folder / 'engine.sock'}",
        f"--data-root={folder / 'data'}",
        f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'pid'}",
        "--shutdown-timeout=1",
        *flags,
    ]
    with in_own_network(command, folder, {}) as process:
        yield loaded("docker", folder / "engine.sock", process)


@contextmanager
def running_podman(folder: Path) -> Iterator[RunningEngine]:
    """Podman's API service with its own storage in `folder`; the settings are those that a bare machine needs."""
    needs("podman", "runc", "conmon")
    config = folder / "containers.conf"
    config.write_text(CONTAINERS_CONF)
    command = [
        "podman",
        f"--root={folder / 'data'}",
        f"--runroot={folder / 'exec'}",
        f"--tmpdir={folder / 'tmp'}",
        f"--network-config-dir={folder / 'networks'}",
        "--cgroup-manager=cgroupfs",
        "--events-backend=file",
        "system",
        "service",
        "--time=0",
        f"unix://{folder / 'engine.sock'}",
    ]
    registries = folder / "registries.conf"
    registries.write_text(f'[[registry]]\nlocation = "{TEST_REGISTRY}"\ninsecure = true\n')
    environment = {"CONTAINERS_CONF": str(config), "CONTAINERS_REGISTRIES_CONF": str(registries)}
    with in_own_network(command, folder, environment) as process:
        engine = loaded("podman", folder / "engine.sock", process)
        yield engine
        anyio.run(remove_containers, engine)
    # The keepers of finished execs stay for five minutes more, and would then clean up what is gone.
    for keeper in processes_naming(f"{folder}/"):
        with suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGKILL)


@contextmanager
def running_rorqual(folder: Path) -> Iterator[RunningEngine]:
    """The embedded engine with its state in `folder`; whatever runs on it ends with it."""
    needs("conmon", "nsenter", "unshare")
    command = [
        sys.executable,
        "-m",
        "engine.cli.main",
        "daemon",
        f"--root={folder / 'root'}",
        f"--run={folder / 'run'}",
        f"--socket={folder / 'engine.sock'}",
    ]
    with in_own_network(command, folder, {"PYTHONPATH": str(Path(__file__).parents[1])}) as process:
        engine = loaded("rorqual", folder / "engine.sock", process)
        yield engine
        if process.poll() is None:
            anyio.run(remove_containers, engine)


@contextmanager
def in_own_network(
    command: Sequence[str], folder: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon until the block ends; its words go to `log`, and nothing of it stays behind."""
    script = 'ip link set lo up && exec "$@"'
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", script, "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def loaded(kind: str, socket: Path, process: subprocess.Popen[bytes]) -> RunningEngine:
    """The engine once it answers and has the test image."""
    engine = RunningEngine(kind, socket, process.pid)
    deadline = time.monotonic() + START_SECONDS
    while not answers(engine):
        if process.poll() is not None or time.monotonic() > deadline:
            words = (socket.parent / "log").read_text(errors="replace")[-2000:]
            pytest.fail(f"{kind} did not start:\n{words}")
        time.sleep(0.05)
    anyio.run(load_image, engine)
    return engine


def answers(engine: RunningEngine) -> bool:
    """Whether the engine is up: its socket is there long before it answers."""

    async def ping() -> None:
        async with open_client(engine.target):
            pass

    try:
        anyio.run(ping)
    except Exception:
        return False
    return True


async def load_image(engine: RunningEngine) -> None:
    archive = busybox_archive().read_bytes()
    async with open_client(engine.target) as client, client.images.load(archive) as lines:
        async for _ in lines:
            pass


async def remove_containers(engine: RunningEngine) -> None:
    """Podman's containers outlive its service: conmon holds them."""
    async with open_client(engine.target) as client:
        for container in await client.containers.list(all=True):
            await client.containers.remove(container["Id"], force=True, volumes=True)


def processes_naming(text: str) -> list[int]:
    """The processes, but this one, whose command line holds the text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in words and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def unmount_below(folder: Path) -> None:
    """What a stopped engine leaves mounted, deepest first."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)


@contextmanager
def short_folder() -> Iterator[Path]:
    """Sockets' paths end at 108 bytes and Podman's run root at 50: pytest's own folders are too long."""
    folder = Path(tempfile.mkdtemp(prefix="rq-", dir="/tmp"))
    try:
        yield folder
    finally:
        unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)


def needs(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if os.getuid() != 0:
        pytest.skip("needs root")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}; `make test` installs them")


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[RunningEngine]:
    """One dockerd for the session. RORQUAL_TEST_DOCKER_SOCKET names a running one to use instead, RORQUAL_TEST_ENGINE
    (podman, rorqual) another engine that the same tests are to be held on.
    """
    named = os.environ.get("RORQUAL_TEST_DOCKER_SOCKET")
    if named:
        engine = RunningEngine("docker", Path(named), listener(Path(named)))
        anyio.run(load_image, engine)
        yield engine
    else:
        running = {"docker": running_docker, "podman": running_podman, "rorqual": running_rorqual}
        with short_folder() as folder, running[os.environ.get("RORQUAL_TEST_ENGINE", "docker")](folder) as engine:
            yield engine


def listener(socket: Path) -> int:
    """The process that listens: dockerd writes its pid beside, or where RORQUAL_TEST_DOCKER_PID says."""
    return int(os.environ.get("RORQUAL_TEST_DOCKER_PID") or (socket.parent / "pid").read_text())


@pytest.fixture(scope="session")
def podman_engine() -> Iterator[RunningEngine]:
    with short_folder() as folder, running_podman(folder) as engine:
        yield engine


@pytest.fixture(scope="session")
def rorqual_engine() -> Iterator[RunningEngine]:
    with short_folder() as folder, running_rorqual(folder) as engine:
        yield engine


@pytest.fixture(scope="session")
def busybox_image(docker_engine: RunningEngine) -> str:
    """The reference of the small image, there on `docker_engine`; its archive is `tests.busybox.busybox_archive()`."""
    return docker_engine.image
