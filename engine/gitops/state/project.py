"""What is known of one project between two looks at it. Level-triggered: all of it can be wrong, and is found out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Sync(StrEnum):
    UNKNOWN = "unknown"
    SYNCED = "synced"
    OUT_OF_SYNC = "out-of-sync"


class Health(StrEnum):
    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    DEGRADED = "degraded"
    MISSING = "missing"


class Waiting(StrEnum):
    """What the next change of the project waits for."""

    NOTHING = ""
    APPROVAL = "approval"
    WINDOW = "window"
    WAVE = "wave"
    RETRY = "retry"
    BUDGET = "budget"
    NEWER = "newer-revision"
    HANDS = "unsettled"
    SUSPENDED = "suspended"


@dataclass(slots=True)
class ProjectState:
    """`target` is the newest revision that the source has, `synced` the one that stands, `healthy` the last that was
    whole, `before` the one that was so before it. `held` maps revisions that failed to why; `rolled_back`
    is the one that a person held. `owned` are the services, networks and volumes that this source has put there or
    taken over, as addresses; `releases` are the numbers under which the ledger has revisions that stood;
    `images_at` is when the images of what was `attempted` were there, where they had to be fetched or made;
    `told` is the last failure that was told; `unread` the revision that is held because it can't be read; `named`
    that agent.yaml itself names the project; `form` is what the settings made of `synced`, sealed; `suspend_said`,
    `host`, `context` and `prune` are of the last settings, for when the project has left its source.
    Times are Unix seconds.
    """

    key: str
    source: str
    name: str = ""
    engine: str = ""
    engine_id: str = ""
    target: str = ""
    synced: str = ""
    healthy: str = ""
    before: str = ""
    rolled_back: str = ""
    attempted: str = ""
    attempted_at: float = 0.0
    images_at: float = 0.0
    synced_at: float = 0.0
    checked_at: float = 0.0
    held: dict[str, str] = field(default_factory=dict)
    sync: Sync = Sync.UNKNOWN
    health: Health = Health.UNKNOWN
    waiting: Waiting = Waiting.NOTHING
    reason: str = ""
    suspended: bool = False
    suspend_said: bool = False
    removed: bool = False
    failures: int = 0
    unsettled: int = 0
    crashes: int = 0
    told: str = ""
    unread: str = ""
    named: bool = False
    form: str = ""
    heals: list[float] = field(default_factory=list)
    flaps: dict[str, list[float]] = field(default_factory=dict)
    pending: dict[str, Any] | None = None
    digest: str = ""
    owned: list[str] = field(default_factory=list)
    uses: dict[str, list[str]] = field(default_factory=dict)
    releases: dict[str, int] = field(default_factory=dict)
    host: str | None = None
    context: str | None = None
    prune: bool = True

    def document(self) -> dict[str, Any]:
        return asdict(self)


def project_state(body: dict[str, Any]) -> ProjectState:
    """From what `document` gave, also by an older version."""
    known = {name: value for name, value in body.items() if name in ProjectState.__slots__}
    state = ProjectState(**known)
    state.sync, state.health, state.waiting = Sync(state.sync), Health(state.health), Waiting(state.waiting)
    return state
