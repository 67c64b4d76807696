"""A plan kept in a file, to be applied later exactly or not at all.

The file holds the resolved project and the options, not steps: planning is a pure function, so the same project on the
same host gives the same plan, and a host that has moved gives another. Sensitive values are in it only encrypted, under
the key beside the ledger: a plan with such values is applied where it was made.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.api.errors import InvalidArgument
from engine.kit.files import atomic_write
from engine.ledger.sealing import digests_in, unsealed
from engine.ledger.vault import Vault
from engine.plan.options import PlanOptions
from engine.plan.render.document import plan_document
from engine.plan.steps import Plan
from engine.reconcile.contents import Sealer
from engine.reconcile.sealed import opened_project, sealed_project
from specs.models import Project

FORMAT = "rorqual-plan"
VERSION = 2
# What the machine adds when it plans is read again, so that a changed secret or file makes the plan stale.
READ_AGAIN = frozenset(
    {"applied", "contents", "image_keys", "image_bases", "profiles", "provided", "seal", "now", "verified"}
)


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """`document` is the plan as it was shown."""

    project: Project
    options: PlanOptions
    document: dict[str, Any]

    def is_still(self, plan: Plan) -> bool:
        """Whether planning now gives what was shown then, on the same engine."""
        now = plan_document(plan)
        then = self.document
        return bool(now["steps"] == then["steps"] and now["engine"]["id"] == then["engine"]["id"])


def write_plan(path: Path, project: Project, options: PlanOptions, plan: Plan, *, sealer: Sealer, vault: Vault) -> None:
    spec, values = sealed_project(project, sealer)
    body = {
        "format": FORMAT,
        "version": VERSION,
        "project": spec,
        "values": {digest: b64encode(vault.seal(digest, value)).decode() for digest, value in values.items()},
        "options": stored_options(options),
        "plan": plan_document(plan),
    }
    atomic_write(path, json.dumps(body, ensure_ascii=False).encode(), mode=0o600)


def stored_options(options: PlanOptions) -> dict[str, Any]:
    return {k: plain(v) for k, v in options._asdict().items() if k not in READ_AGAIN}


def read_options(stored: dict[str, Any]) -> PlanOptions:
    """What an older Rorqual didn't store has its default. Raises InvalidArgument for values of other kinds."""
    asked, defaults = stored_options(PlanOptions()), PlanOptions()._asdict()
    for name in asked.keys() & stored.keys():
        if defaults[name] is not None and type(stored[name]) is not type(json.loads(json.dumps(asked[name]))):
            raise InvalidArgument(f"{name} is nothing that this version of Rorqual knows: {stored[name]!r}")
    return PlanOptions(**{name: kept(name, stored) for name in stored_fields() if name in stored})


def plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return dict(value) if isinstance(value, Mapping) else value


def read_plan(path: Path, vault: Vault) -> SavedPlan:
    """Raises InvalidArgument for a file that is no saved plan of this version, or whose sensitive values the key here
    doesn't open; OSError for one that can't be read.
    """
    try:
        body = json.loads(path.read_bytes())
        if body["format"] != FORMAT:
            raise KeyError("format")
        if body["version"] != VERSION:
            raise InvalidArgument(f"{path} was written by another version of Rorqual: make the plan again")
        values = {d: vault.open(d, b64decode(text)) for d, text in body["values"].items()}
        if closed := [place for place, digest in digests_in(body["project"]).items() if values.get(digest) is None]:
            raise InvalidArgument(
                f"{path} can be applied only where it was made: {vault.path} doesn't open its sensitive values "
                f"({', '.join(closed)}); make the plan again here"
            )
        project = opened_project(unsealed(body["project"], {d: v for d, v in values.items() if v is not None}))
        return SavedPlan(project, read_options(body["options"]), body["plan"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgument(f"{path} is no saved plan (`rorqual plan --out FILE` writes one)") from error


def stored_fields() -> list[str]:
    return [name for name in PlanOptions._fields if name not in READ_AGAIN]


def kept(name: str, options: dict[str, Any]) -> Any:
    value = options[name]
    match name:
        case "services":
            return tuple(value)
        case "rerun":
            return frozenset(value)
        case _:
            return value
