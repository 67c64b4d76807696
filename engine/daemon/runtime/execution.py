"""One exec: a process in a running container, with pipes or a terminal. It ends with its pipes, not with the daemon.

The runtime's own `exec` stays in the foreground as the process' keeper: its exit code is the process' own.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from engine.api.errors import SystemFailure
from engine.api.frames import Frame, Stream
from engine.daemon.runtime.monitor import NotStartable, plain, unstartable
from engine.daemon.runtime.processes import ended, read_pid, send_signal
from engine.oci.runtime_spec import Process

START_SECONDS = 30.0
PIECE = 32768


@dataclass(slots=True)
class Execution:
    """`readers` are what it writes to; `stdin` is -1 without one. Close it in the end, whatever happened."""

    keeper: subprocess.Popen[bytes]
    pid: int
    readers: dict[int, Stream]
    stdin: int = -1
    terminal: bool = False
    _open: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._open = {handle for handle in (*self.readers, self.stdin) if handle >= 0}
        for handle in self._open:
            os.set_blocking(handle, False)

    async def read(self, handle: int) -> Frame | None:
        """The next piece of one of `readers`; None at its end."""
        while handle in self._open:
            try:
                piece = os.read(handle, PIECE)
            except BlockingIOError:
                with contextlib.suppress(anyio.ClosedResourceError):
                    await anyio.wait_readable(handle)
                continue
            except OSError:  # EIO: the terminal's other side is closed
                return None
            return Frame(self.readers[handle], piece) if piece else None
        return None

    async def send(self, content: bytes) -> bool:
        view = memoryview(content)
        while view and self.stdin in self._open:
            try:
                view = view[os.write(self.stdin, view) :]
            except BlockingIOError:
                with contextlib.suppress(anyio.ClosedResourceError):
                    await anyio.wait_writable(self.stdin)
            except OSError:
                return False
        return not view

    def send_eof(self) -> None:
        # A terminal is one descriptor for both ways, and has no half-close.
        if self.stdin not in self.readers:
            self._shut(self.stdin)

    def resize(self, *, height: int, width: int) -> None:
        if self.terminal and self.stdin in self._open:
            fcntl.ioctl(self.stdin, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    @property
    def ended(self) -> bool:
        return self.keeper.poll() is not None

    async def wait(self) -> int:
        """The exit code, 128 + n for a signal."""
        await ended(self.keeper.pid)
        code = self.keeper.wait()
        return 128 - code if code < 0 else code

    def kill(self) -> None:
        """End the process inside; its keeper follows."""
        if not self.ended:
            send_signal(self.pid, 9)

    def close(self) -> None:
        for handle in list(self._open):
            self._shut(handle)

    def _shut(self, handle: int) -> None:
        if handle in self._open:
            self._open.discard(handle)
            anyio.notify_closing(handle)
            os.close(handle)


def begin(command: Sequence[str], folder: Path, process: Process, *, stdin: bool, relayed: bool) -> Execution:
    """Start `command` (a runtime's exec, but for its streams' options) and return once the process runs. Blocks.

    Raises NotStartable for a program that can't be run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arguments = process["args"]
    if not process["terminal"]:
        return begin_piped(command, folder, arguments, stdin=stdin)
    return (begin_relayed if relayed else begin_terminal)(command, folder, arguments)


def begin_piped(command: Sequence[str], folder: Path, arguments: Sequence[str], *, stdin: bool) -> Execution:
    """Without `stdin` the process reads from a pipe that has ended, never from /dev/null: crun gives the streams to the
    process' user, and would give away the host's device.
    """
    ours: list[int] = []
    theirs: list[int] = []
    try:
        for _ in range(2):
            reading, writing = os.pipe()
            ours.append(reading)
            theirs.append(writing)
        reading, writing = os.pipe()
        theirs.append(reading)
        (ours if stdin else theirs).append(writing)
        keeper = call(command, reading, theirs[0], theirs[1])
    except BaseException:
        close_all(ours)
        raise
    finally:
        close_all(theirs)
    try:
        pid = started(keeper, folder, lambda: drained(ours[0]) + drained(ours[1]), arguments)
    except BaseException:
        close_all(ours)
        raise
    return Execution(keeper, pid, {ours[0]: Stream.STDOUT, ours[1]: Stream.STDERR}, ours[2] if stdin else -1)


def begin_terminal(command: Sequence[str], folder: Path, arguments: Sequence[str]) -> Execution:
    """The runtime makes the terminal inside the container and hands it over through a socket."""
    place = folder / "console"
    with socket.socket(socket.AF_UNIX) as listening, (folder / "words").open("w+b") as words:
        handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            listening.bind(f"/proc/self/fd/{handle}/console")
        finally:
            os.close(handle)
        listening.listen(1)
        keeper = call(
            [*command[:-1], "--console-socket", str(place), command[-1]],
            subprocess.DEVNULL,
            words.fileno(),
            words.fileno(),
        )
        terminal = -1
        try:
            terminal = received_terminal(listening, keeper)
            pid = started(keeper, folder, lambda: (folder / "words").read_bytes(), arguments)
        except BaseException:
            close_all([terminal])
            raise
    return Execution(keeper, pid, {terminal: Stream.STDOUT}, terminal, terminal=True)


def begin_relayed(command: Sequence[str], folder: Path, arguments: Sequence[str]) -> Execution:
    """For runc, whose foreground exec takes no console socket: it copies between the container's terminal and ours."""
    ours, theirs = os.openpty()
    try:
        # The terminal must be runc's own for it to hear of a new size; `exec` must come before its options.
        options = [*command[:-1], "--tty", command[-1]]
        keeper = call(["setsid", "--ctty", *options], theirs, theirs, theirs, session=False)
    except BaseException:
        close_all([ours])
        raise
    finally:
        close_all([theirs])
    try:
        pid = started(keeper, folder, lambda: drained(ours), arguments)
    except BaseException:
        close_all([ours])
        raise
    return Execution(keeper, pid, {ours: Stream.STDOUT}, ours, terminal=True)


def call(
    command: Sequence[str], stdin: int, stdout: int, stderr: int, *, session: bool = True
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=session)


def received_terminal(listening: socket.socket, keeper: subprocess.Popen[bytes]) -> int:
    """-1 when the runtime ended without handing one over."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if select.select([listening], [], [], 0.05)[0]:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(START_SECONDS)
                _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(array.array("i").itemsize))
                for level, kind, content in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                        return int(array.array("i", content[:4])[0])
        if keeper.poll() is not None:
            return -1
    return -1


def started(keeper: subprocess.Popen[bytes], folder: Path, said: Callable[[], bytes], arguments: Sequence[str]) -> int:
    """The process' pid on the host, once the runtime has written it."""
    deadline = time.monotonic() + START_SECONDS
    while (pid := read_pid(folder / "pid")) is None:
        code = keeper.poll()
        if code is not None:
            if (pid := read_pid(folder / "pid")) is not None:
                return pid
            raise exec_fault(plain(said().decode(errors="replace")), arguments)
        if time.monotonic() > deadline:
            keeper.kill()
            keeper.wait()
            raise SystemFailure(f"the container runtime did not start the exec within {START_SECONDS:g} seconds")
        time.sleep(0.001)
    return pid


def exec_fault(words: str, arguments: Sequence[str]) -> Exception:
    begin = "OCI runtime exec failed: exec failed: unable to start container process: "
    if (clause := unstartable(words.lower(), arguments)) is not None:
        return NotStartable(f"{begin}{clause[1]}: unknown", clause[0])
    return SystemFailure(f"{begin}{words or 'the runtime said nothing'}: unknown")


def drained(handle: int) -> bytes:
    os.set_blocking(handle, False)
    pieces = []
    with contextlib.suppress(OSError):
        while piece := os.read(handle, PIECE):
            pieces.append(piece)
    return b"".join(pieces)


def close_all(handles: Sequence[int]) -> None:
    for handle in handles:
        if handle >= 0:
            os.close(handle)
