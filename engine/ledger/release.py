"""A release as values: what was asked for, what was done about it, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from engine.kit.owner import Owner

Json = dict[str, Any]
# Where the ledger lies within a machine's state.
FOLDER, FILE = "ledger", "releases.db"
# In a recorded spec a sensitive value is `{SENSITIVE: digest}`; the value itself lies encrypted under its digest.
SENSITIVE = "$sensitive"
NONE: Mapping[str, Any] = {}


class State(StrEnum):
    """BEGUN is recorded; whether that is a run under way or an interrupted one depends on its owner (Ledger)."""

    BEGUN = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Key(NamedTuple):
    """A project on an engine: what releases are numbered within, from 1."""

    engine: str
    project: str


class Commit(NamedTuple):
    """Where the project's files come from: `id` is the commit, `dirty` that they were changed since."""

    id: str
    dirty: bool = False
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.id[:12]}{'-dirty' if self.dirty else ''}"


class Content(NamedTuple):
    """A file that containers are given: its digest (`sha256:…`, or `hmac:…` where it is secret) and permissions."""

    digest: str
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


class Intent(NamedTuple):
    """What is recorded before the first write.

    `kind` is up, scale, create, apply, down or rollback; `spec` the resolved project with sensitive values as
    `{SENSITIVE: digest}`; `options` the flags that the plan depended on; `contents` holds configs, secrets, read-only
    bind-mounted files and seccomp profiles by host path; `unkept` the marks of what containers are given and no release
    keeps (reconcile.unkept). `source` is the release that a rollback returns to, `command` the command line,
    `capabilities` what the engine could do (api.capabilities).
    """

    kind: str
    command: str
    owner: Owner
    spec: Json
    options: Json
    contents: Mapping[str, Content] = NONE
    commit: Commit | None = None
    source: int | None = None
    capabilities: Mapping[str, Any] = NONE
    unkept: Mapping[str, str] = NONE


class StepOutcome(NamedTuple):
    """`plan` counts a release's plans from 0, since images may be settled by a plan of their own; `step` is its id."""

    plan: int
    step: int
    status: str
    reason: str = ""
    seconds: float = 0.0


class Pin(NamedTuple):
    """What an image reference stood for: the engine's id, and the digests under which registries know it."""

    id: str
    digests: tuple[str, ...] = ()


class Summary(NamedTuple):
    """One line of history. `steps` counts what was planned, `failed` what went wrong."""

    number: int
    kind: str
    state: State
    began: float
    ended: float | None
    user: str
    command: str
    commit: Commit | None
    reason: str
    source: int | None
    steps: int
    failed: int

    @property
    def good(self) -> bool:
        return self.state is State.DONE


class Release(NamedTuple):
    """All that is known of one. `plans` are plan documents (plan.render.document), in order; `images` what each service
    ran, by its key; `objects` the fields last applied to each container, by its id.
    """

    key: Key
    number: int
    state: State
    began: float
    ended: float | None
    intent: Intent
    plans: tuple[Json, ...] = ()
    outcomes: tuple[StepOutcome, ...] = ()
    images: Mapping[str, Pin] = NONE
    objects: Mapping[str, Json] = NONE
    reason: str = ""

    @property
    def good(self) -> bool:
        return self.state is State.DONE
