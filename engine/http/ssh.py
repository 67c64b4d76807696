"""A byte stream through the system's ssh to a command on the far side that joins it to the engine's socket.

One master connection per host is shared (OpenSSH's ControlMaster), so that only the first costs a handshake.
"""

from __future__ import annotations

import os
import shlex
import stat
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import anyio
from anyio.abc import ByteStream, Process

from engine.http.errors import ConnectFailed
from engine.kit.process import end_process

# The far side's login shell may be no POSIX shell: hence `sh -c`.
JOIN = (
    "if command -v rorqual >/dev/null 2>&1; then exec rorqual system dial-stdio; else exec docker system dial-stdio; fi"
)


@dataclass(frozen=True, slots=True)
class SshHost:
    host: str
    user: str | None = None
    port: int | None = None


def ssh_command(target: SshHost, *, master: Path | None, program: str = "ssh") -> list[str]:
    """The whole command line. `master` is the folder for the shared connection's socket, None for no sharing."""
    options = ["-T", "-o", "ConnectTimeout=30"]
    if master is not None:
        socket = str(master / "ssh-%C").replace(" ", "\\ ")
        options += ["-o", "ControlMaster=auto", "-o", f"ControlPath={socket}", "-o", "ControlPersist=60"]
    if target.user is not None:
        options += ["-l", target.user]
    if target.port is not None:
        options += ["-p", str(target.port)]
    return [program, *options, "--", target.host, f"sh -c {shlex.quote(JOIN)}"]


def master_folder(environment: Mapping[str, str]) -> Path | None:
    """A folder that is ours alone: another user's socket there would read all that we send."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) if runtime else Path(tempfile.gettempdir()) / f"rorqual-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if ours else None


async def dial_ssh(command: Sequence[str]) -> ByteStream:
    # A file, not a pipe: the master that ssh leaves behind holds it open, and nobody may have to read it.
    complaints = tempfile.TemporaryFile()  # noqa: SIM115  the stream closes it
    try:
        process = await anyio.open_process(command, stderr=complaints, start_new_session=True)
    except OSError as error:
        complaints.close()
        raise ConnectFailed(f"{command[0]} can't be started: {error.strerror}") from error
    return SshStream(process, complaints)


class SshStream(ByteStream):
    """The first silence (end of stream before any byte) is a failed connection, and ssh's own words say why."""

    def __init__(self, process: Process, complaints: IO[bytes]) -> None:
        self._process = process
        self._complaints = complaints
        self._heard = False

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {}

    async def send(self, item: bytes) -> None:
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send(item)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            if not self._heard:
                raise await self._failure() from None
            raise

    async def receive(self, max_bytes: int = 65536) -> bytes:
        assert self._process.stdout is not None
        try:
            piece = await self._process.stdout.receive(max_bytes)
        except anyio.EndOfStream:
            if not self._heard:
                raise await self._failure() from None
            raise
        self._heard = True
        return piece

    async def _failure(self) -> ConnectFailed:
        with anyio.move_on_after(2):
            await self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read(4096).decode(errors="replace").strip().splitlines()
        return ConnectFailed(lines[-1].strip() if lines else f"ssh ended with code {self._process.returncode}")

    async def send_eof(self) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.aclose()

    async def aclose(self) -> None:
        self._complaints.close()
        await end_process(self._process)
