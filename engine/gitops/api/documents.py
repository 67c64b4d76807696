"""The JSON of the API: one class a noun, made from the agent's states; OpenAPI is made of these."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from engine.gitops.loop.agent import Agent
from engine.gitops.loop.following import Following
from engine.gitops.moments import iso
from engine.gitops.sources.faults import LOGIN
from engine.gitops.state.project import ProjectState
from engine.gitops.state.store import Event
from engine.ledger.release import FOLDER, Key, Summary
from engine.ledger.store import opened


@dataclass(frozen=True, slots=True)
class ProjectDocument:
    """`sync` and `health` are words; `waiting` is what the next change waits for, and `reason` says it in full.

    `target` is the newest revision of the source, `synced` the one that stands, `held` those that failed and why.
    """

    project: str
    name: str
    source: str
    engine: str
    sync: str
    health: str
    waiting: str
    reason: str
    target: str
    synced: str
    healthy: str
    held: dict[str, str]
    suspended: bool
    removed: bool
    pending_plan: str | None
    synced_at: str | None
    checked_at: str | None


@dataclass(frozen=True, slots=True)
class SourceDocument:
    source: str
    address: str
    revision: str
    subject: str
    error: str | None
    checked_at: str | None


@dataclass(frozen=True, slots=True)
class ReleaseDocument:
    """One line of the project's history in the ledger: `rorqual show NUMBER` tells all of it."""

    number: int
    kind: str
    state: str
    began: str
    ended: str | None
    command: str
    commit: str | None
    reason: str
    steps: int
    failed: int


@dataclass(frozen=True, slots=True)
class EventDocument:
    id: int
    at: str
    kind: str
    project: str
    revision: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a request that changes something."""

    project: str
    done: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is said of a request that is of no project."""

    message: str


def project_document(state: ProjectState) -> ProjectDocument:
    return ProjectDocument(
        project=state.key,
        name=state.name,
        source=state.source,
        engine=state.engine,
        sync=state.sync.value,
        health=state.health.value,
        waiting=state.waiting.value,
        reason=state.reason,
        target=state.target,
        synced=state.synced,
        healthy=state.healthy,
        held=dict(state.held),
        suspended=state.suspended,
        removed=state.removed,
        pending_plan=state.digest or None,
        synced_at=time_of(state.synced_at),
        checked_at=time_of(state.checked_at),
    )


def source_document(following: Following) -> SourceDocument:
    settings = following.source.settings
    return SourceDocument(
        source=settings.name,
        address=LOGIN.sub(r"\1", settings.git.url) if settings.git else str(settings.directory),
        revision=following.revision,
        subject=following.subject,
        error=following.error or None,
        checked_at=time_of(following.checked_at),
    )


def releases(agent: Agent, state: ProjectState) -> list[ReleaseDocument]:
    """The newest first; none where this machine has no ledger."""
    folder = agent.desk.folder / FOLDER
    if not folder.is_dir():
        return []
    with opened(folder) as ledger:
        return [release_document(summary) for summary in ledger.history(Key(state.engine_id, state.name))]


def release_document(summary: Summary) -> ReleaseDocument:
    return ReleaseDocument(
        number=summary.number,
        kind=summary.kind,
        state=summary.state.value,
        began=iso(summary.began),
        ended=iso(summary.ended) if summary.ended else None,
        command=summary.command,
        commit=summary.commit.id if summary.commit else None,
        reason=summary.reason,
        steps=summary.steps or 0,
        failed=summary.failed,
    )


def event_document(event: Event) -> EventDocument:
    return EventDocument(
        id=event.id,
        at=iso(event.at),
        kind=event.kind,
        project=event.project,
        revision=event.revision,
        text=event.text,
    )


def projects(agent: Agent) -> list[ProjectDocument]:
    return [project_document(state) for _, state in sorted(agent.desk.states.items())]


def sources(agent: Agent) -> list[SourceDocument]:
    return [source_document(following) for _, following in sorted(agent.followings.items())]


def plain(value: Any) -> Any:
    """For json.dumps: what a document is in JSON."""
    return asdict(value)


def time_of(seconds: float) -> str | None:
    return iso(seconds) if seconds else None


# The plan that waits, as `rorqual plan --format json` writes it; null where nothing does.
PlanDocument = dict[str, Any] | None
