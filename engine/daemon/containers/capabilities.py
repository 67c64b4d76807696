"""Which capabilities a container has: Docker's default fourteen, what was added and dropped, what the daemon has.

Source: dockerd's caps; names as in capabilities(7).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.api.errors import InvalidArgument

# In the kernel's order: the index is the bit.
NAMES = tuple(
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ]
)
DEFAULT = frozenset(
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ]
)


def held(mask: int) -> frozenset[str]:
    """The names in a mask, such as CapBnd of /proc/self/status."""
    return frozenset(name for bit, name in enumerate(NAMES) if mask >> bit & 1)


def normal(word: str, key: str = "CapAdd") -> str:
    """`net_admin` → `CAP_NET_ADMIN`; ALL stays. Raises InvalidArgument naming `key`."""
    upper = word.upper()
    if upper == "ALL":
        return upper
    name = upper if upper.startswith("CAP_") else f"CAP_{upper}"
    if name not in NAMES:
        raise InvalidArgument(f'invalid {key}: unknown capability: "{name}"')
    return name


def capabilities_of(
    added: Sequence[str], dropped: Sequence[str], *, privileged: bool, available: Collection[str]
) -> tuple[list[str], list[str]]:
    """→ (the container's, those asked for by name that the daemon itself doesn't have), in the kernel's order."""
    plus, minus = [normal(word) for word in added], [normal(word) for word in dropped]
    if privileged:
        wanted = set(available)
    elif "ALL" in plus:
        wanted = set(available) - set(minus)
    elif "ALL" in minus:
        wanted = set(plus)
    else:
        wanted = (set(DEFAULT) - set(minus)) | set(plus)
    missing = [name for name in plus if name != "ALL" and name not in available]
    return [name for name in NAMES if name in wanted and name in available], missing
