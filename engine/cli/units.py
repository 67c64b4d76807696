"""The systemd units of the embedded engine: what `rorqual daemon unit` prints or writes. Pure.

The socket is systemd's, so a client never meets a daemon that is not up yet. Containers outlive the daemon's unit:
only its own process is ended with it (KillMode=process), the cgroups below it are its own (Delegate=yes), and what
lives on is in cgroups beside it (kit.apart).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

SERVICE, SOCKET = "rorqual.service", "rorqual.socket"


def service_unit(program: str, flags: Sequence[str]) -> str:
    """`program` is an absolute path; `flags` are those of `rorqual daemon`."""
    command = shlex.join([program, "daemon", *flags]).replace("%", "%%")
    return f"""[Unit]
Description=Rorqual, the embedded container engine
Requires={SOCKET}
After={SOCKET} network-online.target firewalld.service nftables.service
Wants=network-online.target

[Service]
Type=notify
ExecStart={command}
# containers, their monitors and the names' helper live on without the daemon
KillMode=process
Delegate=yes
Restart=on-failure
RestartSec=2
LimitNOFILE=infinity
TasksMax=infinity
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
Also={SOCKET}
"""


def socket_unit(path: str, group: str) -> str:
    """`group` owns the socket; it must exist."""
    return f"""[Unit]
Description=Rorqual's Docker Engine API

[Socket]
ListenStream={path.replace("%", "%%")}
SocketMode=0660
SocketUser=root
SocketGroup={group}
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""
