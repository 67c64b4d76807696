"""The embedded engine, started because a command needs one and the machine has none: by root, once, in the background.

It ends itself when nobody has needed it for a while (`IDLE_MINUTES`); containers keep it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.api.errors import Unavailable
from engine.cli.daemon import DEFAULT_ROOT, DEFAULT_SOCKET
from engine.client.target import NoEngineFound, Target, refusal

IDLE_MINUTES = 15
START_SECONDS = 30.0
LOG = DEFAULT_ROOT / "daemon.log"
# What a daemon may inherit of the user's environment: not the project's variables, nor the user's secrets.
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PYTHONPATH", "SSL_CERT_FILE")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def started_engine(nothing: NoEngineFound) -> Target:
    """Raises Unavailable when we may not start it, or it doesn't start."""
    if os.getuid() != 0:
        raise Unavailable(
            f"{nothing.message}; or let root start Rorqual's own: sudo rorqual …, or `sudo rorqual daemon` for the "
            "members of the group rorqual"
        )
    with sole_starter():
        # another command may have started it while we waited for the lock
        if refusal(str(DEFAULT_SOCKET)) is not None:
            start()
    return Target(f"unix://{DEFAULT_SOCKET}", "the embedded engine, started on demand")


@contextmanager
def sole_starter() -> Iterator[None]:
    DEFAULT_SOCKET.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(DEFAULT_SOCKET.parent / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def start() -> None:
    """A session of its own, so that neither Ctrl-C nor the terminal's end reaches it; ready when this returns."""
    LOG.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    # sudo's and cron's paths lack the folders of the programs that the engine runs
    environment["PATH"] = f"{environment.get('PATH', '')}:{SYSTEM_PATH}".lstrip(":")
    with LOG.open("ab") as log:
        began = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.cli.main", "daemon", f"--idle-minutes={IDLE_MINUTES}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while refusal(str(DEFAULT_SOCKET)) is not None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(f"the embedded engine did not start: {last_words(LOG, began)} (its log: {LOG})")
        time.sleep(0.02)


def last_words(log: Path, began: int) -> str:
    with log.open("rb") as file:
        file.seek(max(began, log.stat().st_size - 2000))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("rorqual: ") if lines else "it said nothing"
