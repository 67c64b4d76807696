"""A release as JSON: for programs, and to be carried to where the host can't be reached (`plan --against`).

Nothing sensitive is in it: values stand as the digests under which the ledger keeps them, and its key stays behind.
"""

from __future__ import annotations

from typing import Any

from engine.api.errors import InvalidArgument
from engine.kit.owner import Owner
from engine.ledger.release import Commit, Content, Intent, Json, Key, Pin, Release, State, StepOutcome

FORMAT = "rorqual-release"
VERSION = 1


def release_document(release: Release) -> Json:
    intent = release.intent
    return {
        "format": FORMAT,
        "version": VERSION,
        "engine": {"id": release.key.engine, "capabilities": dict(intent.capabilities)},
        "project": release.key.project,
        "release": release.number,
        "kind": intent.kind,
        "source": intent.source,
        "state": str(release.state),
        "reason": release.reason,
        "began": release.began,
        "ended": release.ended,
        "by": intent.owner._asdict(),
        "command": intent.command,
        "commit": intent.commit and intent.commit._asdict(),
        "spec": intent.spec,
        "options": intent.options,
        "contents": {path: content._asdict() for path, content in intent.contents.items()},
        "unkept": dict(intent.unkept),
        "images": {key: {"id": pin.id, "digests": list(pin.digests)} for key, pin in release.images.items()},
        "plans": list(release.plans),
        "outcomes": [outcome._asdict() for outcome in release.outcomes],
    }


def read_release(document: Any) -> Release:
    """Raises InvalidArgument for what is no such document, or is one of another version."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidArgument("this is no exported release (`rorqual show N --format json` writes one)")
    if document.get("version") != VERSION:
        raise InvalidArgument("this release was exported by another version of Rorqual: export it again")
    try:
        check_shape(document)
        intent = Intent(
            document["kind"],
            document["command"],
            Owner(**document["by"]),
            document["spec"],
            document["options"],
            {path: Content(**content) for path, content in document["contents"].items()},
            document["commit"] and Commit(**document["commit"]),
            document["source"],
            document["engine"]["capabilities"],
            document.get("unkept", {}),
        )
        return Release(
            Key(document["engine"]["id"], document["project"]),
            document["release"],
            State(document["state"]),
            document["began"],
            document["ended"],
            intent,
            tuple(document["plans"]),
            tuple(StepOutcome(**outcome) for outcome in document["outcomes"]),
            {key: Pin(pin["id"], tuple(pin["digests"])) for key, pin in document["images"].items()},
            reason=document["reason"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidArgument("this exported release is not whole: export it again") from error


def check_shape(document: Json) -> None:
    """Raises TypeError where a value is of another kind than whoever reads it takes for granted."""
    spec, options = document["spec"], document["options"]
    tables = [spec, options, options.get("scale") or {}, document["images"], document["contents"]]
    for table in (*tables, *(spec.get(section) or {} for section in ("services", "networks", "volumes"))):
        if not isinstance(table, dict):
            raise TypeError(f"{type(table).__name__} where a table should be")
