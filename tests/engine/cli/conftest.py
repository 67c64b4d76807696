"""The real command line against a real engine, in a project of its own that is gone afterwards."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.engines import RunningEngine

RORQUAL = str(Path(sys.executable).with_name("rorqual"))
PATIENCE = 60.0


@dataclass
class Place:
    """A folder with a Compose file, whose project is `name`; commands run in it, against `engine`."""

    folder: Path
    name: str
    engine: RunningEngine
    left: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        foreign = ("COMPOSE_", "DOCKER_", "RORQUAL_")
        kept = {k: v for k, v in os.environ.items() if k == "RORQUAL_STATE" or not k.startswith(foreign)}
        return {**kept, "COLUMNS": "200", "TERM": "xterm"}

    def command(self, words: Sequence[str]) -> list[str]:
        return [RORQUAL, "-H", self.engine.host, *words]

    def write(self, services: str, more: str = "") -> None:
        """`services` is the YAML below `services:`, indented by two; IMAGE stands for the test image."""
        text = f"name: {self.name}\nservices:\n{services}\n{more}".replace("IMAGE", self.engine.image)
        (self.folder / "compose.yaml").write_text(text)

    def run(self, *words: str, stdin: str | bytes = b"", code: int | None = 0) -> str:
        """Its stdout. Fails unless it ends with `code` (None: however)."""
        done = self.result(*words, stdin=stdin)
        if code is not None and done.returncode != code:
            pytest.fail(f"rorqual {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def result(self, *words: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[str]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            self.command(words),
            cwd=self.folder,
            env=self.environment,
            input=data,
            capture_output=True,
            timeout=PATIENCE,
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def docker(self, *words: str) -> str:
        """Docker's own command line on the same engine; its stdout."""
        command = ["docker", "-H", self.engine.host, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout

    def begin(self, *words: str, output: str = "output") -> subprocess.Popen[bytes]:
        """Start it, both outputs to the file `output`, and let it run."""
        with (self.folder / output).open("wb") as file:
            process = subprocess.Popen(
                self.command(words),
                cwd=self.folder,
                env={**self.environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        self.left.append(process)
        return process

    def wait_for(self, text: str, output: str = "output", seconds: float = PATIENCE) -> str:
        """Until the file holds a match of the pattern `text`; what it holds then."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = (self.folder / output).read_text(errors="replace")
            if re.search(text, found, re.MULTILINE):
                return found
            time.sleep(0.05)
        pytest.fail(f"no {text!r} within {seconds:g} s in:\n{(self.folder / output).read_text(errors='replace')}")

    def terminal(self, *words: str) -> Terminal:
        return Terminal(self.command(words), self.folder, self.environment)

    def clean(self) -> None:
        for process in self.left:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        docker = ["docker", "-H", self.engine.host]
        label = f"label=com.docker.compose.project={self.name}"
        for noun, remove in (("container", ["rm", "-fv"]), ("network", ["rm"]), ("volume", ["rm"])):
            every = ["-a"] if noun == "container" else []
            found = subprocess.run(
                [*docker, noun, "ls", *every, "-q", "--filter", label], capture_output=True, text=True, check=True
            ).stdout.split()
            if found:
                subprocess.run([*docker, noun, *remove, *found], capture_output=True, check=True)


class Terminal:
    """A command with a terminal of its own: what a person at a keyboard has."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], list(command), environment)
        self.seen = b""
        self.before = termios.tcgetattr(self.fd)

    def size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def type(self, text: bytes) -> None:
        os.write(self.fd, text)

    def wait_for(self, pattern: bytes, seconds: float = PATIENCE) -> bytes:
        """Until what was shown since the last wait matches."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            if time.monotonic() > deadline or not self.read():
                pytest.fail(f"no {pattern!r} in:\n{self.seen.decode(errors='replace')}")
        seen, self.seen = self.seen, b""
        return seen

    def read(self) -> bool:
        ready, _, _ = select.select([self.fd], [], [], 0.5)
        if not ready:
            return True
        try:
            piece = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += piece
        return bool(piece)

    def end(self) -> int:
        """Its exit code, once it ends by itself."""
        deadline = time.monotonic() + PATIENCE
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                pytest.fail(f"it did not end; it showed:\n{self.seen.decode(errors='replace')}")
            self.read()

    @property
    def restored(self) -> bool:
        return bool(termios.tcgetattr(self.fd) == self.before)


@pytest.fixture
def place(docker_engine: RunningEngine, tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path, f"cli{uuid.uuid4().hex[:8]}", docker_engine)
    try:
        yield place
    finally:
        place.clean()


@pytest.fixture(scope="module")
def shared(docker_engine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One place for the tests of a module that only look."""
    place = Place(tmp_path_factory.mktemp("shared"), f"cli{uuid.uuid4().hex[:8]}", docker_engine)
    try:
        yield place
    finally:
        place.clean()
