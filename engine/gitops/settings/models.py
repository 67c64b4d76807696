"""The values of agent.yaml: one frozen class a noun, defaults filled in, durations in seconds. Made by `read`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Heal(StrEnum):
    """What is done about drift: mend it, say it, or don't look."""

    HEAL = "heal"
    REPORT = "report"
    OFF = "off"


class Role(StrEnum):
    READ = "read"
    SYNC = "sync"
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        order = (Role.READ, Role.SYNC, Role.ADMIN)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """None of both: the engine that this machine points to, as for every command."""

    host: str | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """New revisions go out from each time of `cron`, for `duration_seconds`."""

    cron: str
    duration_seconds: float
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Policy:
    """`interval_seconds` is how often the host is looked at, whatever happens; `approve_over` is the number of changes
    from which a plan needs an approval, None for never.
    """

    engine: EngineChoice = EngineChoice()
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    interval_seconds: float = 180.0
    heal: Heal = Heal.HEAL
    heals_per_hour: int = 10
    prune: bool = True
    health_timeout_seconds: float = 300.0
    rollback: bool = True
    approve_over: int | None = None
    after: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    suspend: bool = False


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """`path` is the folder in the source; `files` are relative to it, empty for the default names. `name` is the
    project's on the engine, None where the file says it. `directory` is where relative paths start, None for the
    first file's folder.
    """

    key: str
    path: str
    policy: Policy
    files: tuple[str, ...] = ()
    name: str | None = None
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class Discovery:
    """Every file that matches `patterns` is a project, but for `exclude`; one `policy` for all."""

    patterns: tuple[str, ...]
    policy: Policy
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str = ""
    password_file: Path | None = None
    ssh_key_file: Path | None = None
    known_hosts_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Signatures:
    """Whose signatures count: an exported keyring of OpenPGP keys, a file of ssh's allowed signers, or both."""

    keyring: Path | None = None
    allowed_signers: Path | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    kind: str
    secret_file: Path


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """Where the outcome of a commit is told: the address of the host's API and the repository's name there."""

    kind: str
    url: str
    repository: str
    token_file: Path
    context: str = "rorqual"


@dataclass(frozen=True, slots=True)
class GitOrigin:
    """One of `branch`, `tag` (a pattern: the highest version wins) and `commit`; none is the remote's HEAD."""

    url: str
    branch: str | None = None
    tag: str | None = None
    commit: str | None = None
    only: tuple[str, ...] = ()
    submodules: bool = True
    lfs: bool = False
    credentials: Credentials = Credentials()
    signatures: Signatures | None = None


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """`git` or `directory`; `more` is a file in it that declares more sources."""

    name: str
    git: GitOrigin | None = None
    directory: Path | None = None
    interval_seconds: float = 60.0
    timeout_seconds: float = 300.0
    webhook: Webhook | None = None
    status: CommitStatus | None = None
    projects: tuple[ProjectSettings, ...] = ()
    discover: Discovery | None = None
    more: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    role: Role
    file: Path
    name: str = ""


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """`listen` are paths of unix sockets, and ADDRESS:PORT of loopback."""

    listen: tuple[str, ...]
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """One way to be told; `events` empty: all of them. The address of Slack is a secret, and so lies in a file."""

    webhook: str | None = None
    webhook_file: Path | None = None
    slack_file: Path | None = None
    command: tuple[str, ...] = ()
    events: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    file: Path
    sources: tuple[SourceSettings, ...]
    defaults: Policy = Policy()
    state: Path | None = None
    parallel: int = 4
    api: ApiSettings | None = None
    notifications: tuple[Notification, ...] = ()
