"""Who a running command is, and whether that process is provably gone: for whatever outlives the one who wrote it.

A process id alone proves nothing: it is used again, other hosts and other pid namespaces have the same numbers.
"""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path
from typing import NamedTuple

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MACHINE_ID = Path("/etc/machine-id")


class Owner(NamedTuple):
    """One process on one boot of one machine; `user` and `host` are for people. All values are text, for labels."""

    user: str
    host: str
    machine: str
    boot: str
    namespace: str
    pid: str
    start: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (process {self.pid})"


def this_process() -> Owner:
    pid = os.getpid()
    return Owner(
        user=user_name(),
        host=socket.gethostname(),
        machine=first_line(MACHINE_ID),
        boot=first_line(BOOT_ID),
        namespace=pid_namespace(),
        pid=str(pid),
        start=start_time(pid) or "",
    )


def user_name() -> str:
    """Who is at the keyboard: the one that became root by sudo, not root."""
    if found := os.environ.get("SUDO_USER"):
        return found
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # a user id without an entry in /etc/passwd, as containers have
        return str(os.getuid())


def provably_gone(owner: Owner) -> bool:
    """Whether this host can tell that the process has ended: its machine was started again, or nobody has its id.

    False wherever it can't be told: another machine, another pid namespace, a file of /proc that can't be read.
    """
    here = this_process()
    if not owner.machine or (owner.machine, owner.host) != (here.machine, here.host) or not owner.boot or not here.boot:
        return False
    if owner.boot != here.boot:
        return True
    if not owner.namespace or owner.namespace != here.namespace or not owner.pid.isdigit() or not owner.start:
        return False
    return start_time(int(owner.pid)) != owner.start


def start_time(pid: int) -> str | None:
    """Clock ticks since boot; None where there is no such process. A zombie has ended too. Source: proc(5), stat."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, started = words[0], words[19]
    return None if state in {"Z", "X"} else started


def pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0].strip()
    except OSError:
        return ""
