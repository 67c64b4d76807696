"""One container's conmon: how it is called, what it answers, and what it leaves behind in the bundle.

A bundle is a folder on a tmpfs: config.json, rootfs/, and conmon's pid, conmon.pid, attach, ctl, exit, oom.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.api.errors import EngineError, InvalidArgument, SystemFailure
from engine.daemon.runtime.programs import OciRuntime
from engine.kit.apart import apart

CREATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended; `error` says what its monitor could not."""

    code: int
    finished_at: float
    oom_killed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Monitored:
    """How conmon is to hold the container. `log` None: its output is kept nowhere."""

    id: str
    bundle: Path
    log: Path | None
    terminal: bool
    stdin: bool
    leave_stdin_open: bool


class NotStartable(InvalidArgument):
    """The program can't be run: `code` is 127 where it isn't there, 126 where it may not be run."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def command(asked: Monitored, conmon: str, runtime: OciRuntime, state: Path) -> list[str]:
    bundle = str(asked.bundle)
    words = [conmon, "--api-version", "1", "-c", asked.id, "-u", asked.id, "-n", asked.id]
    words += ["-r", runtime.path, "--runtime-arg", "--root", "--runtime-arg", str(state)]
    words += ["-b", bundle, "-p", f"{bundle}/pid", "-P", f"{bundle}/conmon.pid"]
    words += ["--exit-dir", f"{bundle}/exits", "--persist-dir", bundle, "--full-attach", "--no-sync-log"]
    words += ["-l", f"k8s-file:{asked.log}" if asked.log is not None else "none", "--log-level", "error"]
    if asked.terminal:
        words.append("-t")
    if asked.stdin:
        words.append("-i")
    if asked.leave_stdin_open:
        words.append("--leave-stdin-open")
    return words


def launch(
    asked: Monitored,
    conmon: str,
    runtime: OciRuntime,
    state: Path,
    arguments: Sequence[str],
    places: Sequence[Path] = (),
) -> int:
    """Call conmon, in the cgroups `places`; it calls the runtime's create. Return the container's first pid. Blocks.

    Raises NotStartable for a program that can't be run, else an EngineError with the runtime's own words.
    """
    (asked.bundle / "exits").mkdir(exist_ok=True)
    reading, writing = os.pipe()
    try:
        with (asked.bundle / "conmon.err").open("wb") as complaints:
            process = subprocess.Popen(
                apart(command(asked, conmon, runtime, state), places),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                pass_fds=[writing],
                env={"PATH": os.environ.get("PATH", os.defpath), "_OCI_SYNCPIPE": str(writing)},
                cwd=asked.bundle,
                start_new_session=True,
            )
        os.close(writing)
        writing = -1
        try:
            answer = first_line(reading, time.monotonic() + CREATE_SECONDS)
        finally:
            reap(process)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    return pid_in(answer, asked.bundle, runtime.name, arguments)


def first_line(handle: int, deadline: float) -> bytes:
    """Raises SystemFailure when nothing comes in time."""
    line = b""
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not poller.poll(left * 1000):
            raise SystemFailure(f"the container runtime did not answer within {CREATE_SECONDS:g} seconds")
        if not (piece := os.read(handle, 65536)):
            break
        line += piece
    return line


def reap(process: subprocess.Popen[bytes]) -> None:
    """The caller's own child forks twice and ends at once; one that doesn't is ended."""
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def pid_in(answer: bytes, bundle: Path, runtime: str, arguments: Sequence[str]) -> int:
    try:
        said = json.loads(answer)
        pid = int(said.get("data", said.get("pid", -1)))
    except (ValueError, AttributeError):
        words = (bundle / "conmon.err").read_text(errors="replace").strip()
        raise SystemFailure(
            f"the runtime ({runtime}) or the container's monitor ended at once: {words or 'no word'}"
        ) from None
    if pid > 0:
        return pid
    complaint = str(said.get("message", "")).strip() or (bundle / "conmon.err").read_text(errors="replace").strip()
    raise fault_of(complaint, arguments)


def fault_of(words: str, arguments: Sequence[str]) -> EngineError:
    """A runtime's complaint as ours: what the user's configuration caused is 400, the rest 500.

    docker's own exit code (127, 126) hangs on runc's words, so they are used for crun's too.
    """
    text = plain(words)
    low = text.lower()
    begin = "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    if (clause := unstartable(low, arguments)) is not None:
        code, said = clause
        return NotStartable(f"{begin}runc create failed: unable to start container process: {said}: unknown", code)
    return SystemFailure(f"{begin}{text}")


def unstartable(low: str, arguments: Sequence[str]) -> tuple[int, str] | None:
    """The exit code and runc's clause for a program that can't be run; `low` is the complaint in lower case."""
    program = arguments[0] if arguments else ""
    if "executable file" in low and ("not found" in low or "no such file" in low):
        if "/" in program:
            return 127, f'exec: "{program}": stat {program}: no such file or directory'
        return 127, f'exec: "{program}": executable file not found in $PATH'
    if "chdir" in low or "cwd" in low:
        return 126, low
    if "exec" in low and "no such file or directory" in low:
        return 127, f'exec: "{program}": stat {program}: no such file or directory'
    if "exec" in low and any(word in low for word in ("permission denied", "not permitted", "is a directory")):
        return 126, f'exec: "{program}": permission denied'
    return None


def plain(words: str) -> str:
    """The messages of a runtime's log lines: JSON, `level=… msg="…"` or plain text."""
    lines = []
    for line in words.splitlines():
        if found := re.search(r'\bmsg=("(?:[^"\\]|\\.)*")', line):
            line = found[1]
            with contextlib.suppress(ValueError):
                line = str(json.loads(line))
        with contextlib.suppress(ValueError, AttributeError):
            line = str(json.loads(line).get("msg", line))
        lines.append(line.strip())
    return "; ".join(line for line in lines if line)


def read_exit(bundle: Path) -> Exit | None:
    """What conmon wrote when the container ended; None while it hasn't."""
    file = bundle / "exit"
    try:
        code, when = int(file.read_text()), file.stat().st_mtime
    except (OSError, ValueError):
        return None
    return Exit(code & 0xFF if code >= 0 else 255, when, (bundle / "oom").exists())


def control(bundle: Path, words: str) -> bool:
    """Say something to conmon: "1 HEIGHT WIDTH" resizes, "2 0 0" opens the log anew. False when it has gone."""
    try:
        handle = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(handle, f"{words}\n".encode())
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
