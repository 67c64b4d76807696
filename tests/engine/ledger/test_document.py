"""An exported release that was cut, edited or written by another version is refused with a word, not a traceback."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.api.errors import InvalidArgument
from engine.kit.owner import this_process
from engine.ledger.document import read_release, release_document
from engine.plan.options import PlanOptions
from engine.reconcile.against import plan_against
from engine.reconcile.saved import stored_options
from engine.reconcile.sealed import document_of, opened_project
from specs.models import Project, Service

PROJECT = Project(name="shop", working_dir="/srv/shop", services={"web": Service(image="x", environment={"A": "b"})})
CAPABILITIES = {"api_version": [1, 50]}


def exported() -> dict[str, Any]:
    return {
        "format": "rorqual-release",
        "version": 1,
        "engine": {"id": "e", "capabilities": CAPABILITIES},
        "project": "shop",
        "release": 3,
        "kind": "up",
        "source": None,
        "state": "done",
        "reason": "",
        "began": 1.0,
        "ended": 2.0,
        "by": {"user": "ann", "host": "h", "machine": "m", "boot": "b", "process": "1", "started": "2"},
        "command": "rorqual up",
        "commit": {"id": "a" * 40, "dirty": False, "subject": "s"},
        "spec": document_of(PROJECT),
        "options": stored_options(PlanOptions()),
        "contents": {"/srv/shop/a": {"digest": "sha256:1", "mode": 292, "uid": 0, "gid": 0}},
        "unkept": {},
        "images": {"web": {"id": "sha256:1", "digests": []}},
        "plans": [],
        "outcomes": [],
    }


def test_what_was_exported_is_read_back() -> None:
    document = exported()
    document["by"] = read_by()
    assert release_document(read_release(document)) == document


def read_by() -> dict[str, Any]:
    return this_process()._asdict()


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, ["x"], {"x": 1}, "missing"], ids=str)
def test_any_part_may_be_gone_or_of_another_kind(value: object, tmp_path: Path) -> None:
    whole = exported() | {"by": read_by()}
    paths = (
        [(key,) for key in whole]
        + [("spec", key) for key in whole["spec"]]
        + [("options", k) for k in whole["options"]]
    )
    for path in [*paths, ("engine", "capabilities"), ("images", "web"), ("spec", "services", "web")]:
        document = copy.deepcopy(whole)
        place = document
        for key in path[:-1]:
            place = place[key]
        if value == "missing":
            del place[path[-1]]
        else:
            place[path[-1]] = value
        with suppress(InvalidArgument):
            plan_against(read_release(document), PROJECT, PlanOptions(), {"RORQUAL_STATE": str(tmp_path)})


def test_a_key_of_a_newer_version_is_told_by_its_place() -> None:
    spec = json.loads(json.dumps(document_of(PROJECT)))
    spec["services"]["web"]["bogus"] = 1
    with pytest.raises(InvalidArgument, match=r"written by another version of Rorqual: services\.web\.bogus"):
        opened_project(spec)
