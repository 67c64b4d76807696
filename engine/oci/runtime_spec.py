"""RuntimeSpec: what a runtime is told to run. Only the parts that Rorqual writes.

Source: OCI runtime-spec v1.2, config.md and config-linux.md. Sizes in bytes, CPU times in microseconds.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class User(TypedDict):
    uid: int
    gid: int
    additionalGids: NotRequired[list[int]]


class ConsoleSize(TypedDict):
    height: int
    width: int


class Capabilities(TypedDict, total=False):
    bounding: list[str]
    effective: list[str]
    permitted: list[str]
    inheritable: list[str]
    ambient: list[str]


class Rlimit(TypedDict):
    type: str
    soft: int
    hard: int


class Process(TypedDict):
    terminal: bool
    consoleSize: NotRequired[ConsoleSize]
    user: User
    args: list[str]
    env: list[str]
    cwd: str
    capabilities: NotRequired[Capabilities]
    rlimits: NotRequired[list[Rlimit]]
    noNewPrivileges: NotRequired[bool]
    apparmorProfile: NotRequired[str]
    selinuxLabel: NotRequired[str]
    oomScoreAdj: NotRequired[int]


class Root(TypedDict):
    path: str
    readonly: bool


class Mount(TypedDict):
    destination: str
    type: str
    source: str
    options: NotRequired[list[str]]


class Namespace(TypedDict):
    type: str
    path: NotRequired[str]


class Device(TypedDict):
    type: str
    path: str
    major: int
    minor: int
    fileMode: int
    uid: int
    gid: int


class DeviceRule(TypedDict):
    allow: bool
    type: NotRequired[str]
    major: NotRequired[int]
    minor: NotRequired[int]
    access: str


class Memory(TypedDict, total=False):
    limit: int
    reservation: int
    swap: int
    swappiness: int
    disableOOMKiller: bool


class Cpu(TypedDict, total=False):
    shares: int
    quota: int
    period: int
    realtimeRuntime: int
    realtimePeriod: int
    cpus: str
    mems: str


class WeightDevice(TypedDict):
    major: int
    minor: int
    weight: int


class ThrottleDevice(TypedDict):
    major: int
    minor: int
    rate: int


class BlockIO(TypedDict, total=False):
    weight: int
    weightDevice: list[WeightDevice]
    throttleReadBpsDevice: list[ThrottleDevice]
    throttleWriteBpsDevice: list[ThrottleDevice]
    throttleReadIOPSDevice: list[ThrottleDevice]
    throttleWriteIOPSDevice: list[ThrottleDevice]


class Pids(TypedDict):
    limit: int


class Resources(TypedDict, total=False):
    devices: list[DeviceRule]
    memory: Memory
    cpu: Cpu
    blockIO: BlockIO
    pids: Pids


class SyscallArgument(TypedDict):
    index: int
    value: int
    valueTwo: int
    op: str


class Syscall(TypedDict):
    names: list[str]
    action: str
    errnoRet: NotRequired[int]
    args: NotRequired[list[SyscallArgument]]


class Seccomp(TypedDict):
    defaultAction: str
    defaultErrnoRet: NotRequired[int]
    architectures: NotRequired[list[str]]
    flags: NotRequired[list[str]]
    syscalls: list[Syscall]


class Linux(TypedDict, total=False):
    namespaces: list[Namespace]
    devices: list[Device]
    cgroupsPath: str
    resources: Resources
    rootfsPropagation: str
    seccomp: Seccomp
    sysctl: dict[str, str]
    maskedPaths: list[str]
    readonlyPaths: list[str]
    mountLabel: str


class RuntimeSpec(TypedDict):
    ociVersion: str
    process: Process
    root: Root
    hostname: NotRequired[str]
    domainname: NotRequired[str]
    mounts: list[Mount]
    linux: Linux
    annotations: NotRequired[dict[str, str]]
